#include "checkpoint/torch_zip.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_container.h"

namespace diptych {
namespace {

using TensorNodes = std::map<std::string, const PickleNode*>;  // values: IsTorchTensor

Status Twice(const std::string& path, const std::string& name) {
  return Corrupt(path + ": tensor " + QuotedTensorName(name), "is there twice");
}

// ---- the tree of modules of torch.jit.save ----

// Walks the attributes of modules. Modules may be shared, so that a small file could name very many tensors, and a
// damaged one could contain itself: depth, steps and the length of all names are limited.
Result<TensorNodes> FlattenModules(const PickleNode& root, const std::string& path) {
  constexpr size_t kMaxDepth = 64, kMaxSteps = size_t{1} << 22, kMaxNameBytes = size_t{1} << 24;
  struct Module {
    const PickleNode* node;
    std::string prefix;
    size_t depth;
  };
  std::vector<Module> modules = {{&root, "", 0}};
  TensorNodes tensors;
  size_t steps = 0, name_bytes = 0;
  while (!modules.empty()) {
    const Module module = std::move(modules.back());
    modules.pop_back();
    const PickleNode* state = module.node->state;
    if (state == nullptr || state->kind != PickleKind::kDict) continue;
    for (size_t i = 0; i + 1 < state->items.size(); i += 2) {
      const PickleNode &key = *state->items[i], &value = *state->items[i + 1];
      const bool tensor = IsTorchTensor(value);
      const bool named = key.kind == PickleKind::kString && (tensor || value.kind == PickleKind::kObject);
      name_bytes += named ? module.prefix.size() + key.text.size() : 0;
      if (++steps > kMaxSteps || name_bytes > kMaxNameBytes || module.depth == kMaxDepth) {
        return LimitExceeded(path, "its modules are nested too deep or too often");
      }
      if (!named) continue;
      std::string name = module.prefix + std::string(key.text);
      if (!tensor) {
        modules.push_back({&value, name + ".", module.depth + 1});
      } else if (!tensors.emplace(name, &value).second) {
        return Twice(path, name);
      }
    }
  }
  if (tensors.empty()) return Corrupt(path, "is a TorchScript archive without any tensor");
  return tensors;
}

// ---- the dictionaries of torch.save ----

bool IsMapping(const PickleNode& node) {  // a dict or OrderedDict
  return node.kind == PickleKind::kDict || (node.kind == PickleKind::kObject && !node.items.empty());
}

bool HasTensors(const PickleNode& node) {
  if (!IsMapping(node)) return false;
  for (size_t i = 1; i < node.items.size(); i += 2) {
    if (IsTorchTensor(*node.items[i])) return true;
  }
  return false;
}

// The value under `name`, as in Python the last one.
const PickleNode* Find(const PickleNode& mapping, std::string_view name) {
  const PickleNode* found = nullptr;
  for (size_t i = 0; i + 1 < mapping.items.size(); i += 2) {
    const PickleNode& key = *mapping.items[i];
    if (key.kind == PickleKind::kString && key.text == name) found = mapping.items[i + 1];
  }
  return found;
}

// The dictionary under one of the names that trainers give to the state dict; one that holds tensors is preferred.
const PickleNode* FindWrapped(const PickleNode& mapping) {
  const PickleNode* found = nullptr;
  for (const std::string_view name : {"state_dict", "model", "module", "model_state_dict", "ema"}) {
    const PickleNode* value = Find(mapping, name);
    if (value == nullptr || !IsMapping(*value)) continue;
    if (HasTensors(*value)) return value;
    if (found == nullptr) found = value;
  }
  return found;
}

const PickleNode* FindStateDict(const PickleNode& root) {
  constexpr int kMaxWrappers = 4;  // each a dictionary in a dictionary
  const PickleNode* node = &root;
  for (int i = 0; i < kMaxWrappers && node != nullptr && IsMapping(*node); ++i) {
    node = FindWrapped(*node);
    if (node != nullptr && HasTensors(*node)) return node;
  }
  return HasTensors(root) ? &root : nullptr;
}

Status NoStateDict(const PickleNode& root, const std::string& path) {
  constexpr char kHint[] = "save model.state_dict() with torch.save, or as safetensors";
  if (!IsMapping(root)) {
    const bool named = root.kind == PickleKind::kObject && root.callable->kind == PickleKind::kGlobal;
    std::string what = "holds no state dict";
    if (named) {
      what += ", but an object: " + QuotedTensorName(std::string(root.callable->text.substr(0, 100)) + "." +
                                                     std::string(root.callable->name.substr(0, 100)));
    }
    return Corrupt(path, what, kHint);
  }
  constexpr size_t kShown = 5;
  std::string keys;
  for (size_t i = 0; i < std::min(root.items.size(), 2 * kShown); i += 2) {
    keys += (i == 0 ? "; its keys begin with " : ", ") + QuotedTensorName(std::string(root.items[i]->text));
  }
  return Corrupt(path, "holds no dictionary of tensors" + keys, kHint);
}

Result<TensorNodes> TensorsOfStateDict(const PickleNode& root, const std::string& path) {
  const PickleNode* state_dict = FindStateDict(root);
  if (state_dict == nullptr) return NoStateDict(root, path);
  TensorNodes tensors;
  for (size_t i = 0; i + 1 < state_dict->items.size(); i += 2) {
    const PickleNode &key = *state_dict->items[i], &value = *state_dict->items[i + 1];
    if (key.kind != PickleKind::kString || !IsTorchTensor(value)) continue;
    std::string name(key.text);
    if (!tensors.emplace(name, &value).second) return Twice(path, name);
  }
  return tensors;
}

// Takes off the prefixes of data-parallel and compiled models, where all names have them.
TensorNodes WithoutWrapperPrefix(TensorNodes tensors) {
  constexpr int kMaxPrefixes = 4;
  for (int i = 0; i < kMaxPrefixes; ++i) {
    std::string_view common;
    for (const std::string_view prefix : {"module.", "_orig_mod."}) {
      const bool all = std::all_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
        return tensor.first.size() > prefix.size() && tensor.first.starts_with(prefix);
      });
      if (all) common = prefix;
    }
    if (common.empty() || tensors.empty()) break;
    TensorNodes stripped;
    for (auto& [name, node] : tensors) stripped.emplace(name.substr(common.size()), node);
    tensors = std::move(stripped);
  }
  return tensors;
}

// ---- from descriptions to tensors ----

// Makes the tensors of one file.
class Loader {
 public:
  Loader(const TorchStorages& storages, const std::shared_ptr<const void>& owner, const std::string& path,
         size_t file_bytes)
      : storages_(storages), owner_(owner), path_(path), copy_limit_(4 * uint64_t{file_bytes}) {}

  Result<StateDict> Load(const TensorNodes& nodes) {
    StateDict tensors;
    for (const auto& [name, node] : nodes) {
      const std::string where = path_ + ": tensor " + QuotedTensorName(name);
      ASSIGN_OR_RETURN(const TorchTensor tensor, ReadTorchTensor(*node, storages_, where));
      if (!tensor.dtype) continue;
      const TensorView view(tensor.data.data(), *tensor.dtype,
                            Shape(tensor.shape.data(), static_cast<int>(tensor.shape.size())));
      if (IsContiguous(tensor)) {
        tensors.emplace(name, StoredTensor{view, owner_, path_});
        continue;
      }
      copied_ += view.SizeBytes();
      if (copied_ > copy_limit_ || view.SizeBytes() > copy_limit_) {
        return LimitExceeded(where,
                             "is not contiguous, and such tensors together would take more than four times the "
                             "size of the file");
      }
      const auto copy = std::make_shared<const Tensor>(CopyTorchTensor(tensor));
      tensors.emplace(name, StoredTensor{copy->view(), copy, path_});
    }
    return tensors;
  }

 private:
  const TorchStorages& storages_;
  const std::shared_ptr<const void>& owner_;
  const std::string& path_;
  const uint64_t copy_limit_;
  uint64_t copied_ = 0;
};

}  // namespace

Result<StateDict> ParseTorchCheckpoint(ByteSpan bytes, const std::shared_ptr<const void>& owner,
                                       const std::string& path) {
  ASSIGN_OR_RETURN(const TorchContainer container, OpenTorchContainer(bytes, path));
  const PickleNode& root = container.pickle.root();
  ASSIGN_OR_RETURN(TensorNodes nodes, container.scripted ? FlattenModules(root, path) : TensorsOfStateDict(root, path));
  nodes = WithoutWrapperPrefix(std::move(nodes));
  return Loader(container.storages, owner, path, bytes.size()).Load(nodes);
}

Result<StateDict> LoadTorchCheckpoint(const std::string& path) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  return ParseTorchCheckpoint(file->bytes(), file, path);
}

Result<StateDict> LoadShardedTorchCheckpoint(const std::string& index_path) {
  ASSIGN_OR_RETURN(const std::vector<Shard> shards, ReadShardIndex(index_path));
  StateDict tensors;
  for (const Shard& shard : shards) {
    const auto file = MappedFile::Open(shard.path);
    if (!file.ok()) return file.status().Within(index_path);
    ASSIGN_OR_RETURN(const TorchContainer container, OpenTorchContainer((*file)->bytes(), shard.path));
    ASSIGN_OR_RETURN(const TensorNodes nodes, TensorsOfStateDict(container.pickle.root(), shard.path));
    for (const std::string& name : shard.names) {
      if (!nodes.contains(name)) return NotInShard(index_path, name, shard.path);
    }
    ASSIGN_OR_RETURN(StateDict part,
                     Loader(container.storages, *file, shard.path, (*file)->bytes().size()).Load(nodes));
    RETURN_IF_ERROR(AddShard(std::move(part), &tensors));
  }
  return tensors;
}

}  // namespace diptych
