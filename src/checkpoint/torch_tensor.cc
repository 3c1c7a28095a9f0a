#include "checkpoint/torch_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "checkpoint/safetensors_header.h"

namespace diptych {
namespace {

constexpr char kDamaged[] = "the file is damaged or incomplete: download it again";

struct TorchType {
  std::string_view storage;  // class of storages
  std::string_view name;     // dtype
  size_t bytes;
  std::optional<DType> dtype;
};

constexpr std::array<TorchType, 18> kTorchTypes = {{
    {"FloatStorage", "float32", 4, DType::kF32},
    {"HalfStorage", "float16", 2, DType::kF16},
    {"BFloat16Storage", "bfloat16", 2, DType::kBF16},
    {"DoubleStorage", "float64", 8, DType::kF64},
    {"CharStorage", "int8", 1, DType::kI8},
    {"ByteStorage", "uint8", 1, DType::kU8},
    {"ShortStorage", "int16", 2, DType::kI16},
    {"IntStorage", "int32", 4, DType::kI32},
    {"LongStorage", "int64", 8, DType::kI64},
    {"BoolStorage", "bool", 1, DType::kBool},
    {"UntypedStorage", "", 1, std::nullopt},
    {"ComplexFloatStorage", "complex64", 8, std::nullopt},
    {"ComplexDoubleStorage", "complex128", 16, std::nullopt},
    {"QInt8Storage", "qint8", 1, std::nullopt},
    {"QUInt8Storage", "quint8", 1, std::nullopt},
    {"QInt32Storage", "qint32", 4, std::nullopt},
    {"QUInt4x2Storage", "quint4x2", 1, std::nullopt},
    {"QUInt2x4Storage", "quint2x4", 1, std::nullopt},
}};

// What rebuilds a tensor, and from what.
struct Rebuild {
  const PickleNode* function = nullptr;
  const PickleNode* args = nullptr;
  bool Calls(std::string_view name) const { return function->IsGlobal("torch._utils", name); }
};

bool IsTuple(const PickleNode* node, size_t at_least) {
  return node != nullptr && node->kind == PickleKind::kTuple && node->items.size() >= at_least;
}

// Looks through parameters and subclasses of Tensor, of which the writers nest no more than two.
std::optional<Rebuild> FindRebuild(const PickleNode& node) {
  const PickleNode* tensor = &node;
  for (int depth = 0; depth < 4; ++depth) {
    if (tensor->kind != PickleKind::kObject) return std::nullopt;
    Rebuild call{tensor->callable, tensor->args};
    if (call.function->IsGlobal("torch._tensor", "_rebuild_from_type_v2") && IsTuple(call.args, 3)) {
      call = {call.args->items[0], call.args->items[2]};  // (function, class, arguments, state)
    }
    if (call.Calls("_rebuild_tensor") || call.Calls("_rebuild_tensor_v2") || call.Calls("_rebuild_tensor_v3")) {
      return call;
    }
    const bool parameter = call.Calls("_rebuild_parameter") || call.Calls("_rebuild_parameter_with_state");
    if (!parameter || !IsTuple(call.args, 1)) return std::nullopt;
    tensor = call.args->items[0];
  }
  return std::nullopt;
}

bool ReadInts(const PickleNode& node, std::vector<int64_t>* values) {
  constexpr size_t kMaxRank = 64;  // PyTorch's; one tuple may be the shape of many tensors, so that its length matters
  if (node.kind != PickleKind::kTuple || node.items.size() > kMaxRank) return false;
  for (const PickleNode* item : node.items) {
    if (item->kind != PickleKind::kInt) return false;
    values->push_back(item->integer);
  }
  return true;
}

// The part of `bytes` that [first, first + count) elements take.
std::optional<ByteSpan> Elements(ByteSpan bytes, int64_t first, int64_t count, size_t element_bytes) {
  const int64_t held = static_cast<int64_t>(bytes.size() / element_bytes);
  if (first < 0 || count < 0 || first > held || count > held - first) return std::nullopt;
  return bytes.subspan(static_cast<size_t>(first) * element_bytes, static_cast<size_t>(count) * element_bytes);
}

// The bytes of a storage, as much of it as the identifier says.
Result<ByteSpan> StorageBytes(const TorchStorageId& id, const TorchStorages& storages, const std::string& where) {
  const std::string key = QuotedTensorName(std::string(id.key));
  const std::optional<ByteSpan> stored = storages(id.key);
  if (!stored) return Corrupt(where, "its storage " + key + " is not in the file", kDamaged);
  std::optional<ByteSpan> bytes = Elements(*stored, 0, id.elements, id.element_bytes);
  if (bytes && id.view != nullptr) {
    const auto& view = id.view->items;
    bytes = Elements(*bytes, view[1]->integer, view[2]->integer, id.element_bytes);
  }
  if (bytes) return *bytes;
  return Corrupt(where,
                 "its storage " + key + " should hold " + std::to_string(id.elements) + " elements, but has " +
                     std::to_string(stored->size()) + " bytes",
                 kDamaged);
}

// Elements from the first to the last, both included; none where that number or the tensor's size overflows.
std::optional<int64_t> Extent(const TorchTensor& tensor, size_t element_bytes) {
  int64_t last = 0, size = static_cast<int64_t>(element_bytes);
  bool empty = false;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t dim = tensor.shape[i], stride = tensor.strides[i];
    int64_t step = 0;
    if (dim < 0 || stride < 0) return std::nullopt;
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(size, dim, &size) || __builtin_mul_overflow(dim - 1, stride, &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return std::nullopt;
    }
  }
  if (empty) return 0;
  return __builtin_add_overflow(last, int64_t{1}, &last) ? std::nullopt : std::optional(last);
}

std::optional<DType> DTypeByName(const PickleNode& node) {
  if (node.kind != PickleKind::kGlobal || node.text != "torch") return std::nullopt;
  for (const TorchType& type : kTorchTypes) {
    if (type.name == node.name) return type.dtype;
  }
  return std::nullopt;
}

}  // namespace

std::optional<TorchStorageId> ReadTorchStorageId(const PickleNode& node) {
  if (node.kind != PickleKind::kPersistent || !IsTuple(node.args, 5)) return std::nullopt;
  constexpr size_t kMaxKeyBytes = 255;  // a few digits; one key may be that of many tensors, so that its length matters
  const auto& items = node.args->items;
  if (items[0]->kind != PickleKind::kString || items[0]->text != "storage" || items[1]->kind != PickleKind::kGlobal ||
      items[2]->kind != PickleKind::kString || items[2]->text.size() > kMaxKeyBytes ||
      items[4]->kind != PickleKind::kInt) {
    return std::nullopt;
  }
  TorchStorageId id{.key = items[2]->text, .elements = items[4]->integer};
  for (const TorchType& type : kTorchTypes) {  // of the modules torch, torch.cuda and torch.storage
    if (!items[1]->text.starts_with("torch") || type.storage != items[1]->name) continue;
    id.element_bytes = type.bytes;
    id.dtype = type.dtype;
  }
  if (items.size() > 5 && items[5]->kind != PickleKind::kNone) {
    const bool valid = IsTuple(items[5], 3) && items[5]->items[1]->kind == PickleKind::kInt &&
                       items[5]->items[2]->kind == PickleKind::kInt;
    if (!valid) return std::nullopt;
    id.view = items[5];
  }
  return id;
}

bool IsTorchTensor(const PickleNode& node) {
  return FindRebuild(node).has_value();
}

Result<TorchTensor> ReadTorchTensor(const PickleNode& node, const TorchStorages& storages, const std::string& where) {
  const Rebuild rebuild = FindRebuild(node).value();
  const auto malformed = [&] { return Corrupt(where, "is not described as PyTorch describes tensors", kDamaged); };
  const bool names_dtype = rebuild.Calls("_rebuild_tensor_v3");  // its storages have no type
  if (!IsTuple(rebuild.args, names_dtype ? 7 : 4)) return malformed();
  const auto& args = rebuild.args->items;  // storage, offset, shape, strides, requires_grad, hooks, dtype
  const std::optional<TorchStorageId> id = ReadTorchStorageId(*args[0]);
  TorchTensor tensor;
  if (!id || args[1]->kind != PickleKind::kInt || !ReadInts(*args[2], &tensor.shape) ||
      !ReadInts(*args[3], &tensor.strides) || tensor.shape.size() != tensor.strides.size()) {
    return malformed();
  }
  const std::optional<DType> dtype = names_dtype ? DTypeByName(*args[6]) : id->dtype;
  if (!dtype || id->element_bytes == 0 || tensor.shape.size() > Shape::kMaxRank) return TorchTensor();
  tensor.dtype = dtype;
  ASSIGN_OR_RETURN(const ByteSpan bytes, StorageBytes(*id, storages, where));
  const std::optional<int64_t> extent = Extent(tensor, SizeOf(*dtype));
  if (!extent) return Corrupt(where, "has a negative or far too large shape or stride", kDamaged);
  const std::optional<ByteSpan> data = Elements(bytes, *extent == 0 ? 0 : args[1]->integer, *extent, SizeOf(*dtype));
  if (!data) {
    return Corrupt(where,
                   "reaches beyond its storage: " + std::to_string(*extent) + " elements from number " +
                       std::to_string(args[1]->integer) + " on, of " + std::to_string(bytes.size() / SizeOf(*dtype)),
                   kDamaged);
  }
  tensor.data = *data;
  return tensor;
}

bool IsContiguous(const TorchTensor& tensor) {
  int64_t stride = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 0) return true;
    if (tensor.shape[i] != 1 && tensor.strides[i] != stride) return false;
    stride *= tensor.shape[i];
  }
  return true;
}

Tensor CopyTorchTensor(const TorchTensor& tensor) {
  Tensor copy(*tensor.dtype, Shape(tensor.shape.data(), static_cast<int>(tensor.shape.size())));
  const size_t rank = tensor.shape.size(), bytes = SizeOf(*tensor.dtype);
  auto* y = static_cast<uint8_t*>(copy.mutable_view().mutable_raw());
  std::array<int64_t, Shape::kMaxRank> index{};
  int64_t at = 0;
  for (int64_t n = copy.shape().NumElements(); n > 0; --n) {
    std::memcpy(y, tensor.data.data() + static_cast<size_t>(at) * bytes, bytes);
    y += bytes;
    for (size_t i = rank; i-- > 0;) {  // the next index, as an odometer counts
      if (++index[i] < tensor.shape[i]) {
        at += tensor.strides[i];
        break;
      }
      at -= tensor.strides[i] * (tensor.shape[i] - 1);
      index[i] = 0;
    }
  }
  return copy;
}

}  // namespace diptych
