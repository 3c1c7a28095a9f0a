#include "index/remote.h"

namespace diptych {

Result<std::unique_ptr<RemoteStore>> OpenRemote(const std::string& address, const StoreIdentity*) {
  return Unsupported(WithoutPassword(address), "this program was built without PostgreSQL's client library",
                     "install libpq-dev and build again, or give a folder");
}

}  // namespace diptych
