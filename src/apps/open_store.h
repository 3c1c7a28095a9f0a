// A store by what --store names: a folder, or database servers.
#ifndef DIPTYCH_APPS_OPEN_STORE_H_
#define DIPTYCH_APPS_OPEN_STORE_H_

#include <memory>
#include <string>

#include "core/status.h"
#include "index/remote.h"
#include "index/store.h"

namespace diptych {

/// One of the two.
struct OpenedStore {
  std::unique_ptr<Store> local;
  std::unique_ptr<RemoteStore> remote;

  PictureStore& pictures() const { return local ? static_cast<PictureStore&>(*local) : *remote; }
  const StoreIdentity& identity() const { return pictures().identity(); }
};

/// Errors: `name` is empty; those of Store::Open and OpenRemote.
Result<OpenedStore> OpenStore(const std::string& name);
Result<OpenedStore> OpenStoreForWriting(const std::string& name, const StoreIdentity& identity);

/// What makes searches fast, made or renewed after pictures were added.
Status RefreshSearch(const OpenedStore& store, int threads);

}  // namespace diptych

#endif  // DIPTYCH_APPS_OPEN_STORE_H_
