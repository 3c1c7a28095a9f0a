// What every checkpoint container becomes: names and read-only tensors.
#ifndef DIPTYCH_CHECKPOINT_STATE_DICT_H_
#define DIPTYCH_CHECKPOINT_STATE_DICT_H_

#include <map>
#include <memory>
#include <string>

#include "core/tensor.h"

namespace diptych {

/// A tensor of a checkpoint, and what keeps its bytes alive (normally the mapped file).
struct StoredTensor {
  TensorView view;
  std::shared_ptr<const void> owner;
  std::string file;  // where it is stored, for messages
};

/// Ordered by name, so that two loads of the same file visit the same order.
using StateDict = std::map<std::string, StoredTensor>;

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_STATE_DICT_H_
