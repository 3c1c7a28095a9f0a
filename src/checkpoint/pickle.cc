#include "checkpoint/pickle.h"

#include <algorithm>

namespace diptych {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 21;  // a model of 90,000 tensors
constexpr size_t kMaxSteps = size_t{1} << 23;
constexpr char kDamaged[] = "the file is damaged or incomplete: download it again";

// CPython's pickletools.py describes each.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

// The machine that a pickle is a program for: a stack with marks, and a memo of values by number.
class Machine {
 public:
  Machine(ByteSpan bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  // Runs until STOP. Not more than once.
  Status Run() {
    for (steps_ = 0; steps_ < kMaxSteps && nodes_.size() < kMaxNodes; ++steps_) {
      const size_t at = at_;
      uint64_t opcode = 0;
      if (Unsigned(1, &opcode) && opcode == kStop) return Finish();
      if (problem_.empty()) Step(static_cast<uint8_t>(opcode));
      if (!problem_.empty()) {
        return Status(unsupported_ ? StatusCode::kUnsupported : StatusCode::kCorrupt, path_,
                      "its pickle " + problem_ + ", at byte " + std::to_string(at) + " of it",
                      unsupported_ ? "save the model again with torch.save, or as safetensors" : kDamaged);
      }
    }
    return LimitExceeded(path_,
                         "its pickle has more than " + std::to_string(kMaxNodes) + " values or " +
                             std::to_string(kMaxSteps) + " opcodes",
                         "save the state dict alone");
  }

  std::deque<PickleNode>& nodes() { return nodes_; }
  const PickleNode* root() const { return stack_.back(); }
  size_t size() const { return at_; }

 private:
  using Values = std::vector<const PickleNode*>;

  Status Finish() const {
    if (stack_.size() == 1 && marks_.empty()) return Status::Ok();
    return Corrupt(path_, "its pickle ends with " + std::to_string(stack_.size()) + " values instead of one", kDamaged);
  }

  bool Fail(const char* problem) {
    if (problem_.empty()) problem_ = problem;
    return false;
  }

  // ---- reading ----

  bool Bytes(uint64_t count, std::string_view* text) {
    if (count > bytes_.size() - at_) return Fail("is cut short");
    *text = std::string_view(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return true;
  }

  // Little-endian, up to 8 bytes.
  bool Unsigned(size_t count, uint64_t* value) {
    std::string_view text;
    if (!Bytes(count, &text)) return false;
    *value = 0;
    for (size_t i = count; i-- > 0;) *value = *value << 8 | static_cast<uint8_t>(text[i]);
    return true;
  }

  bool Line(std::string_view* text) {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::find(rest.begin(), rest.end(), uint8_t{'\n'});
    if (end == rest.end()) return Fail("is cut short");
    std::string_view newline;
    return Bytes(static_cast<uint64_t>(end - rest.begin()), text) && Bytes(1, &newline);
  }

  // ---- values ----

  PickleNode* Make(PickleKind kind) {
    PickleNode& node = nodes_.emplace_back();
    node.kind = kind;
    return &node;
  }
  void Push(const PickleNode* node) { stack_.push_back(node); }
  void PushInt(PickleKind kind, int64_t value) {
    PickleNode* node = Make(kind);
    node->integer = value;
    Push(node);
  }

  // Text whose length stands before it, in `length_bytes` bytes.
  void PushText(PickleKind kind, size_t length_bytes) {
    uint64_t length = 0;
    std::string_view text;
    if (!Unsigned(length_bytes, &length) || !Bytes(length, &text)) return;
    PickleNode* node = Make(kind);
    node->text = text;
    Push(node);
  }

  void PushLong(size_t length_bytes) {
    uint64_t length = 0;
    std::string_view text;
    if (!Unsigned(length_bytes, &length) || !Bytes(length, &text)) return;
    if (text.size() > 8) {
      PickleNode* node = Make(PickleKind::kLong);
      node->text = text;
      return Push(node);
    }
    uint64_t value = !text.empty() && static_cast<int8_t>(text.back()) < 0 ? ~uint64_t{0} : 0;
    for (size_t i = text.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(text[i]);
    PushInt(PickleKind::kInt, static_cast<int64_t>(value));
  }

  // The top `count` values, which must lie above the last mark.
  bool Take(size_t count, Values* values) {
    if (stack_.size() - Floor() < count) return Fail("takes more values than it has made");
    values->assign(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return true;
  }

  // Everything above the last mark, and the mark.
  bool TakeToMark(Values* values) {
    if (marks_.empty()) return Fail("has no mark where it needs one");
    if (!Take(stack_.size() - Floor(), values)) return false;
    marks_.pop_back();
    return true;
  }

  const PickleNode* Top() {
    if (stack_.size() > Floor()) return stack_.back();
    Fail("takes more values than it has made");
    return nullptr;
  }

  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }

  // Nodes are const to all who see them; the machine owns them and fills its containers.
  static PickleNode* Mutable(const PickleNode* node) { return const_cast<PickleNode*>(node); }

  void PushContainer(PickleKind kind, Values items) {
    PickleNode* node = Make(kind);
    node->items = std::move(items);
    Push(node);
  }

  // Values go into the container below them. What is added to any other object (a subclass of list) is dropped.
  void Extend(const Values& values, PickleKind kind) {
    const PickleNode* container = Top();
    if (container == nullptr) return;
    if (container->kind == kind) {
      PickleNode* target = Mutable(container);
      target->items.insert(target->items.end(), values.begin(), values.end());
    } else if (container->kind != PickleKind::kObject) {
      Fail("adds values to what is no container of them");
    }
  }

  void SetItems(const Values& values) {
    const PickleNode* container = Top();
    if (container == nullptr) return;
    if (values.size() % 2 != 0) return void(Fail("has a key without a value"));
    if (container->kind != PickleKind::kDict && container->kind != PickleKind::kObject) {
      return void(Fail("sets items of what is no dictionary"));
    }
    PickleNode* target = Mutable(container);
    target->items.insert(target->items.end(), values.begin(), values.end());
  }

  void PushObject(const PickleNode* callable, const PickleNode* args) {
    PickleNode* node = Make(PickleKind::kObject);
    node->callable = callable;
    node->args = args;
    Push(node);
  }

  void Build() {
    Values state;
    if (!Take(1, &state)) return;
    const PickleNode* object = Top();
    if (object == nullptr) return;
    // Whatever Python would give a state to was made by calling something.
    if (object->kind != PickleKind::kObject) return void(Fail("gives a state to what is no object"));
    Mutable(object)->state = state[0];
  }

  void PushGlobal(std::string_view module, std::string_view name) {
    PickleNode* node = Make(PickleKind::kGlobal);
    node->text = module;
    node->name = name;
    Push(node);
  }

  // ---- memo ----

  // Writers number values from 0 (Python 2: from 1), so that a number is never larger than the count of opcodes. The
  // table cannot be made larger than that.
  void Put(uint64_t number) {
    const PickleNode* top = Top();
    if (top == nullptr) return;
    if (number > steps_) return void(Fail("remembers a value under a number that is out of order"));
    if (number >= memo_.size()) memo_.resize(static_cast<size_t>(number) + 1);
    memo_count_ += memo_[number] == nullptr;
    memo_[number] = top;
  }

  void Get(uint64_t number) {
    if (number >= memo_.size() || memo_[number] == nullptr) return void(Fail("recalls a value that it never made"));
    Push(memo_[number]);
  }

  // ---- opcodes, in four groups ----

  void Step(uint8_t opcode) {
    if (!StepValue(opcode) && !StepContainer(opcode) && !StepObject(opcode) && !StepStack(opcode)) {
      // Those of protocols 0 and 1, the registry of extensions, and buffers that lie outside of the pickle.
      constexpr std::string_view kOthers = "FILPSVdgilop\x82\x83\x84\x97\x98";
      unsupported_ = kOthers.find(static_cast<char>(opcode)) != std::string_view::npos;
      Fail(unsupported_ ? "has an opcode that is not read here" : "has an invalid opcode");
    }
  }

  bool StepValue(uint8_t opcode) {
    uint64_t value = 0;
    std::string_view text;
    switch (opcode) {
      case kNone: return Push(Make(PickleKind::kNone)), true;
      case kNewTrue: return PushInt(PickleKind::kBool, 1), true;
      case kNewFalse: return PushInt(PickleKind::kBool, 0), true;
      case kBinInt:
        if (Unsigned(4, &value)) PushInt(PickleKind::kInt, static_cast<int32_t>(value));
        return true;
      case kBinInt1:
      case kBinInt2:
        if (Unsigned(opcode == kBinInt1 ? 1 : 2, &value)) PushInt(PickleKind::kInt, static_cast<int64_t>(value));
        return true;
      case kLong1: return PushLong(1), true;
      case kLong4: return PushLong(4), true;
      case kBinFloat:
        if (Bytes(8, &text)) Push(Make(PickleKind::kFloat));
        return true;
      case kShortBinString:  // Python 2's str
      case kShortBinUnicode: return PushText(PickleKind::kString, 1), true;
      case kBinString:
      case kBinUnicode: return PushText(PickleKind::kString, 4), true;
      case kBinUnicode8: return PushText(PickleKind::kString, 8), true;
      case kShortBinBytes: return PushText(PickleKind::kBytes, 1), true;
      case kBinBytes: return PushText(PickleKind::kBytes, 4), true;
      case kBinBytes8:
      case kByteArray8: return PushText(PickleKind::kBytes, 8), true;
      default: return false;
    }
  }

  bool StepContainer(uint8_t opcode) {
    Values values;
    switch (opcode) {
      case kEmptyTuple: return PushContainer(PickleKind::kTuple, {}), true;
      case kEmptyList: return PushContainer(PickleKind::kList, {}), true;
      case kEmptyDict: return PushContainer(PickleKind::kDict, {}), true;
      case kEmptySet: return PushContainer(PickleKind::kSet, {}), true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        if (Take(opcode - kTuple1 + size_t{1}, &values)) PushContainer(PickleKind::kTuple, std::move(values));
        return true;
      case kTuple:
      case kFrozenSet:
        if (TakeToMark(&values)) {
          PushContainer(opcode == kTuple ? PickleKind::kTuple : PickleKind::kSet, std::move(values));
        }
        return true;
      case kAppend:
        if (Take(1, &values)) Extend(values, PickleKind::kList);
        return true;
      case kAppends:
      case kAddItems:
        if (TakeToMark(&values)) Extend(values, opcode == kAppends ? PickleKind::kList : PickleKind::kSet);
        return true;
      case kSetItem:
        if (Take(2, &values)) SetItems(values);
        return true;
      case kSetItems:
        if (TakeToMark(&values)) SetItems(values);
        return true;
      default: return false;
    }
  }

  bool StepObject(uint8_t opcode) {
    Values values;
    std::string_view module, name;
    switch (opcode) {
      case kGlobal:
        if (Line(&module) && Line(&name)) PushGlobal(module, name);
        return true;
      case kStackGlobal:
        if (!Take(2, &values)) return true;
        if (values[0]->kind != PickleKind::kString || values[1]->kind != PickleKind::kString) {
          return Fail("imports what is not named by strings"), true;
        }
        return PushGlobal(values[0]->text, values[1]->text), true;
      case kReduce:
      case kNewObj:
        if (Take(2, &values)) PushObject(values[0], values[1]);
        return true;
      case kNewObjEx:
        if (Take(3, &values)) PushObject(values[0], values[1]);
        return true;
      case kBuild: return Build(), true;
      case kBinPersId:
        if (Take(1, &values)) {
          PickleNode* node = Make(PickleKind::kPersistent);
          node->args = values[0];
          Push(node);
        }
        return true;
      default: return false;
    }
  }

  bool StepStack(uint8_t opcode) {
    uint64_t value = 0;
    Values values;
    std::string_view ignored;
    switch (opcode) {
      case kProto:
        if (Unsigned(1, &value) && value > 5) {
          unsupported_ = true;
          Fail("is of a protocol above 5");
        }
        return true;
      case kFrame: return Bytes(8, &ignored), true;
      case kMark: return marks_.push_back(stack_.size()), true;
      case kPop:
        if (!marks_.empty() && stack_.size() == marks_.back()) return marks_.pop_back(), true;
        return Take(1, &values), true;
      case kPopMark: return TakeToMark(&values), true;
      case kDup:
        if (const PickleNode* top = Top()) Push(top);
        return true;
      case kBinPut:
      case kLongBinPut:
        if (Unsigned(opcode == kBinPut ? 1 : 4, &value)) Put(value);
        return true;
      case kMemoize: return Put(memo_count_), true;
      case kBinGet:
      case kLongBinGet:
        if (Unsigned(opcode == kBinGet ? 1 : 4, &value)) Get(value);
        return true;
      default: return false;
    }
  }

  const ByteSpan bytes_;
  const std::string& path_;
  size_t at_ = 0, steps_ = 0;
  std::deque<PickleNode> nodes_;
  Values stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  Values memo_;                // null where nothing is remembered
  size_t memo_count_ = 0;
  std::string problem_;
  bool unsupported_ = false;
};

}  // namespace

Result<Pickle> Pickle::Read(ByteSpan bytes, const std::string& path) {
  Machine machine(bytes, path);
  RETURN_IF_ERROR(machine.Run());
  const PickleNode* root = machine.root();
  return Pickle(std::move(machine.nodes()), root, machine.size());
}

}  // namespace diptych
