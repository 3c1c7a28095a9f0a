// Python's pickle, read as data: the program is run, but nothing that it names is ever imported or called.
#ifndef DIPTYCH_CHECKPOINT_PICKLE_H_
#define DIPTYCH_CHECKPOINT_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// What a value of a pickle is. Floats and what has no meaning here keep their kind alone.
enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kLong,  // an integer of more than 64 bits
  kFloat,
  kString,
  kBytes,
  kTuple,
  kList,
  kSet,
  kDict,
  kGlobal,      // something imported: a class, a function
  kObject,      // what calling a global would have given
  kPersistent,  // something that lies outside of the pickle
};

/// One value. The graph of values may be shared and cyclic, as in Python: walk it with a bound.
struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;                   // kInt, kBool
  std::string_view text;                 // kString, kBytes; kLong: little-endian two's complement; kGlobal: its module
  std::string_view name;                 // kGlobal: its name in the module
  const PickleNode* callable = nullptr;  // kObject
  const PickleNode* args = nullptr;      // kObject: of the call; kPersistent: the identifier
  const PickleNode* state = nullptr;     // kObject: what __setstate__ would have been given
  std::vector<const PickleNode*> items;  // kTuple, kList, kSet: values; kDict, kObject: key, value, key, value, ...

  bool IsGlobal(std::string_view module, std::string_view global_name) const {
    return kind == PickleKind::kGlobal && text == module && name == global_name;
  }
};

/// A pickle that has been read. Its texts are views of the bytes that it was read from, which must outlive it.
class Pickle {
 public:
  /// Reads the pickle at the front of `bytes`; what follows its end is left alone. Protocols 2 to 5 in the opcodes that
  /// Python and PyTorch write; the text opcodes of protocols 0 and 1 are refused. Untrusted input: memory is
  /// proportional to the bytes read and bounded (2 million values, 8 million opcodes). `path` is for messages.
  static Result<Pickle> Read(ByteSpan bytes, const std::string& path);

  const PickleNode& root() const { return *root_; }
  /// In the order in which the pickle makes them.
  const std::deque<PickleNode>& nodes() const { return nodes_; }
  /// Length of the pickle in bytes.
  size_t size() const { return size_; }

 private:
  Pickle(std::deque<PickleNode> nodes, const PickleNode* root, size_t size)
      : nodes_(std::move(nodes)), root_(root), size_(size) {}

  std::deque<PickleNode> nodes_;  // moving a deque leaves its elements where they are
  const PickleNode* root_;
  size_t size_;
};

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_PICKLE_H_
