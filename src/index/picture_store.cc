#include "index/picture_store.h"

namespace diptych {

Status CheckSameModel(const std::string& store, const StoreIdentity& stored, const StoreIdentity& asked) {
  if (asked.fingerprint == stored.fingerprint && asked.e == stored.e) return Status::Ok();
  return InvalidArgument(
      store,
      "holds embeddings of another model: " + stored.model + " (" + stored.fingerprint + "), not " + asked.model +
          " (" + asked.fingerprint + ")",
      "vectors of two models cannot be compared: use --model " + stored.model + ", or another store");
}

}  // namespace diptych
