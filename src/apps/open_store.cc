#include "apps/open_store.h"

#include "core/context.h"
#include "index/search.h"

namespace diptych {
namespace {

Status CheckNamed(const std::string& name) {
  return name.empty() ? InvalidArgument("store", "no store was named", "give --store FOLDER") : Status::Ok();
}

}  // namespace

Result<OpenedStore> OpenStore(const std::string& name) {
  RETURN_IF_ERROR(CheckNamed(name));
  OpenedStore opened;
  if (IsRemoteAddress(name)) {
    ASSIGN_OR_RETURN(opened.remote, OpenRemote(name, nullptr));
  } else {
    ASSIGN_OR_RETURN(opened.local, Store::Open(name));
    opened.local->ReadAhead();  // while the model is loaded
  }
  return opened;
}

Result<OpenedStore> OpenStoreForWriting(const std::string& name, const StoreIdentity& identity) {
  RETURN_IF_ERROR(CheckNamed(name));
  OpenedStore opened;
  if (IsRemoteAddress(name)) {
    ASSIGN_OR_RETURN(opened.remote, OpenRemote(name, &identity));
  } else {
    ASSIGN_OR_RETURN(opened.local, Store::OpenForWriting(name, identity));
  }
  return opened;
}

Status RefreshSearch(const OpenedStore& store, int threads) {
  if (store.remote) return store.remote->BuildIndex();
  Context context(threads);
  return RefreshSketch(context, *store.local);
}

}  // namespace diptych
