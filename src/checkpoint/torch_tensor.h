// How a pickle of torch.save speaks of tensors and of the storages in which they lie.
#ifndef DIPTYCH_CHECKPOINT_TORCH_TENSOR_H_
#define DIPTYCH_CHECKPOINT_TORCH_TENSOR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle.h"
#include "checkpoint/state_dict.h"
#include "core/file.h"
#include "core/status.h"
#include "core/tensor.h"

namespace diptych {

/// The bytes of the storage with this key; none where the file does not have it.
using TorchStorages = std::function<std::optional<ByteSpan>(std::string_view key)>;

/// A persistent identifier: ('storage', class, key, location, elements[, view]).
struct TorchStorageId {
  std::string_view key;
  size_t element_bytes = 0;  // 0: of a class that is not known
  int64_t elements = 0;
  std::optional<DType> dtype;        // absent where Tensor has no such type
  const PickleNode* view = nullptr;  // legacy files: (key, first element, elements), kTuple
};
std::optional<TorchStorageId> ReadTorchStorageId(const PickleNode& node);

/// A tensor, checked against its storage: all of its elements lie in `data`.
struct TorchTensor {
  std::optional<DType> dtype;           // absent where Tensor has no such type or rank; then nothing else is set
  std::vector<int64_t> shape, strides;  // in elements
  ByteSpan data;                        // the storage from the first element on
};

/// Whether `node` is a dense tensor (or a parameter, which is one).
bool IsTorchTensor(const PickleNode& node);

/// REQUIRES: IsTorchTensor(node). `where` is for messages.
Result<TorchTensor> ReadTorchTensor(const PickleNode& node, const TorchStorages& storages, const std::string& where);

bool IsContiguous(const TorchTensor& tensor);

/// The elements in row-major order. REQUIRES: dtype.
Tensor CopyTorchTensor(const TorchTensor& tensor);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_TORCH_TENSOR_H_
