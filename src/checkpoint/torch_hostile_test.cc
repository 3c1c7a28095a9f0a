// Files that no honest writer makes. The sanitizers watch what is touched.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/test_util.h"
#include "checkpoint/torch_zip.h"

namespace diptych {
namespace {

using namespace std::string_literals;

const std::string kGolden = DIPTYCH_SOURCE_DIR "/tests/golden/torch/";

// Parses `file` on a heap block of its own, so that AddressSanitizer sees the first byte read beyond it, and reads
// every tensor.
Result<StateDict> Parse(std::string_view file) {
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  Result<StateDict> tensors = ParseTorchCheckpoint(bytes, nullptr, "m");
  if (!tensors.ok()) return tensors;
  for (const auto& [name, tensor] : *tensors) {
    uint8_t sum = 0;
    for (size_t i = 0; i < tensor.view.SizeBytes(); ++i) sum ^= static_cast<const uint8_t*>(tensor.view.raw())[i];
    [[maybe_unused]] static volatile uint8_t sink;  // a read whose result is unused would be dropped
    sink = sum;
  }
  return tensors;
}

// ---- a legacy file with one tensor, every number of which can be a lie ----

std::string Int(int64_t value) {
  return "\x8a\x08" + LittleEndian(static_cast<uint64_t>(value), 8);
}
std::string Text(const std::string& text) {
  return "X" + LittleEndian(text.size(), 4) + text;
}
std::string Tuple(const std::vector<int64_t>& values) {
  std::string program = "(";
  for (const int64_t value : values) program += Int(value);
  return program + "t";
}

struct File {
  std::string storage_type = "FloatStorage", key = "k", view = "N", function = "_rebuild_tensor_v2";
  int64_t elements = 6, offset = 0;
  std::vector<int64_t> shape = {2, 3}, strides = {3, 1};
  uint64_t stored_elements = 6;
  std::string data = std::string(24, 'd');

  std::string Storage() const {
    return "(" + Text("storage") + "ctorch\n" + storage_type + "\n" + Text(key) + Text("cpu") + Int(elements) + view +
           "tQ";
  }
  std::string Tensor() const {
    return "ctorch._utils\n" + function + "\n(" + Storage() + Int(offset) + Tuple(shape) + Tuple(strides) + "\x89NtR";
  }
  std::string Bytes(const std::string& object) const {
    const std::string keys = object.find("storage") == std::string::npos ? "" : Text("k") + "a";
    return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}." + object +
           ".\x80\x02]" + keys + "." + LittleEndian(stored_elements, 8) + data;
  }
  std::string Bytes() const { return Bytes("}" + Text("t") + Tensor() + "s"); }
};

// What is said of the file after `lie` has changed it, without where and hint.
std::string Lie(const std::function<void(File&)>& lie) {
  File file;
  lie(file);
  const Result<StateDict> tensors = Parse(file.Bytes());
  return tensors.ok() ? "ok " + std::to_string(tensors->size()) : tensors.status().what();
}

TEST(TorchHostile, TheHonestFileIsRead) {
  EXPECT_EQ(Lie([](File&) {}), "ok 1");
  EXPECT_EQ(Lie([](File& f) { f.strides = {1, 2}; }), "ok 1");
  EXPECT_EQ(Lie([](File& f) { f.view = "(" + Text("v") + Int(0) + Int(6) + "t"; }), "ok 1");
  EXPECT_EQ(Lie([](File& f) { f.shape = {0, 3}; }), "ok 1");
  EXPECT_EQ(Lie([](File& f) { f.shape = f.strides = {}; }), "ok 1");
}

TEST(TorchHostile, TensorsOutsideOfTheirStorageAreRefused) {
  EXPECT_EQ(Lie([](File& f) { f.offset = 1; }), "reaches beyond its storage: 6 elements from number 1 on, of 6");
  EXPECT_EQ(Lie([](File& f) { f.offset = -1; }), "reaches beyond its storage: 6 elements from number -1 on, of 6");
  EXPECT_EQ(Lie([](File& f) { f.shape = {3, 3}; }), "reaches beyond its storage: 9 elements from number 0 on, of 6");
  EXPECT_EQ(Lie([](File& f) { f.strides = {4, 1}; }), "reaches beyond its storage: 7 elements from number 0 on, of 6");
  EXPECT_EQ(Lie([](File& f) { f.view = "(" + Text("v") + Int(2) + Int(4) + "t"; }),
            "reaches beyond its storage: 6 elements from number 0 on, of 4");
  for (const int64_t offset : {INT64_MAX, INT64_MIN, int64_t{1} << 61}) {
    EXPECT_NE(Lie([&](File& f) { f.offset = offset; }).find("reaches beyond its storage"), std::string::npos);
  }
}

TEST(TorchHostile, ImpossibleShapesAreRefused) {
  const std::string impossible = "has a negative or far too large shape or stride";
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
           {-1, 3}, {2, -3}, {INT64_MIN, 1}, {INT64_MAX, 1}, {int64_t{1} << 32, int64_t{1} << 32}}) {
    EXPECT_EQ(Lie([&](File& f) { f.shape = shape; }), impossible);
  }
  EXPECT_EQ(Lie([](File& f) { f.shape = {int64_t{1} << 62, 4, 0}, f.strides = {1, 1, 1}; }), impossible);
  EXPECT_EQ(Lie([](File& f) { f.shape = {0, int64_t{1} << 62, 4}, f.strides = {1, 1, 1}; }), impossible);
  EXPECT_EQ(Lie([](File& f) { f.strides = {-3, 1}; }), impossible);
  EXPECT_EQ(Lie([](File& f) { f.strides = {INT64_MAX, 1}; }), impossible);
  EXPECT_EQ(Lie([](File& f) { f.shape = {1, 3, 2}, f.strides = {INT64_MAX, 1, 3}; }), "ok 1");  // of no effect
  EXPECT_EQ(Lie([](File& f) { f.strides = {1}; }), "is not described as PyTorch describes tensors");
  EXPECT_EQ(Lie([](File& f) { f.shape = f.strides = std::vector<int64_t>(65, 1); }),
            "is not described as PyTorch describes tensors");
  EXPECT_EQ(Lie([](File& f) { f.shape = f.strides = std::vector<int64_t>(6, 1); }), "ok 0");
}

TEST(TorchHostile, StoragesThatAreNotThereAreRefused) {
  EXPECT_EQ(Lie([](File& f) { f.key = "other"; }), "belongs to no tensor");
  EXPECT_EQ(Lie([](File& f) { f.elements = 7; }), "its storage \"k\" should hold 7 elements, but has 24 bytes");
  EXPECT_EQ(Lie([](File& f) { f.elements = -1; }), "its storage \"k\" should hold -1 elements, but has 24 bytes");
  EXPECT_EQ(Lie([](File& f) { f.elements = INT64_MAX; }),
            "its storage \"k\" should hold 9223372036854775807 elements, but has 24 bytes");
  EXPECT_EQ(Lie([](File& f) { f.view = "(" + Text("v") + Int(3) + Int(4) + "t"; }),
            "its storage \"k\" should hold 6 elements, but has 24 bytes");
  EXPECT_EQ(Lie([](File& f) { f.view = "(" + Text("v") + Int(-1) + Int(4) + "t"; }),
            "its storage \"k\" should hold 6 elements, but has 24 bytes");
  EXPECT_EQ(Lie([](File& f) { f.view = "(" + Text("v") + "t"; }), "belongs to no tensor");
  EXPECT_EQ(Lie([](File& f) { f.stored_elements = 7; }), "has 7 elements, but only 24 bytes follow");
  EXPECT_EQ(Lie([](File& f) { f.stored_elements = uint64_t{1} << 62; }),
            "has 4611686018427387904 elements, but only 24 bytes follow");
  EXPECT_EQ(Lie([](File& f) { f.storage_type = "NewStorage"; }), "is of a type that is not known");
  EXPECT_EQ(Lie([](File& f) { f.key = std::string(256, 'k'); }), "belongs to no tensor");
}

TEST(TorchHostile, CopiesAreLimitedByTheFile) {
  const std::string limit =
      "is not contiguous, and such tensors together would take more than four times the size of the file";
  EXPECT_EQ(Lie([](File& f) { f.shape = {int64_t{1} << 40, 6}, f.strides = {0, 1}; }), limit);
  EXPECT_EQ(Lie([](File& f) { f.shape = {1000, 6}, f.strides = {0, 1}; }), limit);
  EXPECT_EQ(Lie([](File& f) { f.shape = {10, 6}, f.strides = {0, 1}; }), "ok 1");
  File file;  // one tensor under many names
  file.elements = static_cast<int64_t>(file.stored_elements = 600);
  file.data.resize(2400);
  file.shape = {2, 300};
  file.strides = {1, 2};
  std::string object = "}" + Text("t") + file.Tensor() + "q\x00s"s;
  for (int i = 0; i < 5000; ++i) object += Text(std::to_string(i)) + "h\x00s"s;
  EXPECT_EQ(Parse(file.Bytes(object)).status().what(), limit);
}

// ---- the objects around the tensors ----

std::string ObjectError(const std::string& object) {
  const Result<StateDict> tensors = Parse(File().Bytes(object));
  return tensors.ok() ? "ok " + std::to_string(tensors->size()) : tensors.status().what();
}

TEST(TorchHostile, NothingIsCalled) {
  const std::string call = "cos\nsystem\n" + Text("exit 1") + "\x85R";
  EXPECT_EQ(ObjectError(call), "holds no state dict, but an object: \"os.system\"");
  EXPECT_EQ(ObjectError("}" + Text("t") + File().Tensor() + "s" + Text("x") + call + "s"), "ok 1");
}

TEST(TorchHostile, MalformedDescriptionsAreRefused) {
  const std::string malformed = "is not described as PyTorch describes tensors";
  const std::string v2 = "}" + Text("t") + "ctorch._utils\n_rebuild_tensor_v2\n";
  EXPECT_EQ(ObjectError(v2 + ")Rs"), malformed);
  EXPECT_EQ(ObjectError(v2 + "NRs"), malformed);
  EXPECT_EQ(ObjectError(v2 + "(NNNNtRs"), malformed);
  EXPECT_EQ(ObjectError(v2 + "(N\x85QK\x00))tRs"s), malformed);
  EXPECT_EQ(ObjectError(v2 + "(" + File().Storage() + "N))tRs"), malformed);
  EXPECT_EQ(ObjectError(v2 + "(" + File().Storage() + "K\x00]]tRs"s), malformed);
  EXPECT_EQ(ObjectError(v2 + "(" + File().Storage() + "K\x00N\x85N\x85tRs"s), malformed);
  EXPECT_EQ(
      ObjectError("}" + Text("t") + "ctorch._utils\n_rebuild_tensor_v3\n(" + File().Storage() + "K\x00))\x89NNtRs"s),
      "ok 0");
  EXPECT_EQ(ObjectError("}" + Text("t") + "ctorch._utils\n_rebuild_tensor_v3\n(" + File().Storage() + "K\x00))tRs"s),
            malformed);
}

TEST(TorchHostile, WrappersInWrappersEnd) {
  std::string opening, closing;  // a parameter of a parameter of ...
  for (int i = 0; i < 100'000; ++i) {
    opening += "ctorch._utils\n_rebuild_parameter\n";
    closing += "\x85R";
  }
  EXPECT_EQ(ObjectError("}" + Text("t") + opening + File().Tensor() + closing + "s"),
            "holds no dictionary of tensors; its keys begin with \"t\"");
  EXPECT_EQ(ObjectError("}q\x00"s + Text("model") + "h\x00s"s),  // a dictionary in itself
            "holds no dictionary of tensors; its keys begin with \"model\"");
  EXPECT_EQ(ObjectError("}" + Text("t") + File().Tensor() + "s" + Text("t") + File().Tensor() + "s"), "is there twice");
  EXPECT_LT(ObjectError("}" + Text(std::string(1'000'000, '\n')) + "Ns").size(), 200u);
}

// ---- trees of modules ----

std::string ScriptedError(const std::string& program) {
  ZipBuilder archive;
  archive.Add("m/data.pkl", program + ".");
  archive.Add("m/constants.pkl", "");
  archive.Add("m/data/k", std::string(24, 'd'));
  const Result<StateDict> tensors = Parse(archive.Finish());
  return tensors.ok() ? "ok " + std::to_string(tensors->size()) : tensors.status().what();
}

std::string Module(const std::string& items) {
  return "c__torch__\nM\n)\x81}(" + items + "ub";
}

TEST(TorchHostile, TreesOfModulesAreLimited) {
  const std::string limit = "its modules are nested too deep or too often";
  const std::string leaf = Module(Text("w") + File().Tensor());
  EXPECT_EQ(ScriptedError(Module(Text("a") + leaf + Text("b") + leaf)), "ok 2");
  EXPECT_EQ(ScriptedError(Module(Text("a") + leaf + Text("a") + leaf)), "is there twice");
  EXPECT_EQ(ScriptedError(Module("")), "is a TorchScript archive without any tensor");
  EXPECT_EQ(ScriptedError("N"), "is a TorchScript archive without any tensor");
  EXPECT_EQ(ScriptedError("c__torch__\nM\n)\x81q\x00}"s + Text("a") + "h\x00sb"s), limit);  // a module in itself
  std::string doubled = leaf + "q\x00"s, nested = leaf;
  for (int i = 0; i < 60; ++i) {
    doubled = doubled + "0" + Module(Text("a") + "h\x00"s + Text("b") + "h\x00"s) + "q\x00"s;
    nested = Module(Text("a") + nested);
  }
  EXPECT_EQ(ScriptedError(doubled), limit);
  EXPECT_EQ(ScriptedError(nested), "ok 1");
  for (int i = 0; i < 10; ++i) nested = Module(Text("a") + nested);
  EXPECT_EQ(ScriptedError(nested), limit);
  std::string wide = Text(std::string(1000, 'n')) + leaf + "q\x00"s;  // one name, very often
  for (int i = 0; i < 17'000; ++i) wide += Text(std::string(1000, 'n') + std::to_string(i)) + "h\x00"s;
  EXPECT_EQ(ScriptedError(Module(wide)), limit);
}

// ---- archives ----

std::string ZipError(const std::function<void(ZipBuilder&)>& change) {
  ZipBuilder archive;
  change(archive);
  const Result<StateDict> tensors = Parse(archive.Finish());
  return tensors.ok() ? "ok " + std::to_string(tensors->size()) : tensors.status().what();
}

TEST(TorchHostile, ArchivesThatAreNoCheckpoints) {
  const std::string program = "}" + Text("t") + File().Tensor() + "s.";
  const auto honest = [&](ZipBuilder& a) {
    a.Add("m/data.pkl", program);
    a.Add("m/data/k", std::string(24, 'd'));
  };
  EXPECT_EQ(ZipError(honest), "ok 1");
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { a.Add("m/data.pkl", program); }), "its storage \"k\" is not in the file");
  const auto typed = [](const std::string& storage_type) {  // the dtype stands beside the storage
    File file;
    file.storage_type = storage_type;
    return "}" + Text("t") + "ctorch._utils\n_rebuild_tensor_v3\n(" + file.Storage() + Int(0) + Tuple({1}) +
           Tuple({1}) + "\x89Nctorch\nfloat32\ntRs.";
  };
  for (const auto& [storage_type, expected] : {std::pair("UntypedStorage", "ok 1"), {"NewStorage", "ok 0"}}) {
    EXPECT_EQ(ZipError([&, type = storage_type](ZipBuilder& a) {
                a.Add("m/data.pkl", typed(type));
                a.Add("m/data/k", std::string(24, 'd'));
              }),
              expected);
  }
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { honest(a), a.Add("n/data.pkl", program); }),
            "holds more than one data.pkl: it is not a PyTorch checkpoint");
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { a.Add("m/n/data.pkl", program); }),
            "is a zip archive without a data.pkl: it is not a PyTorch checkpoint of version 1.6 or later");
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { honest(a), a.Add("m/byteorder", "big"); }),
            "was written on a big-endian machine");
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { honest(a), a.entries[0].method = 8; }),
            "is compressed or encrypted, which checkpoints are not");
  EXPECT_EQ(ZipError([&](ZipBuilder& a) { honest(a), a.entries[1].method = 8; }),
            "its storage \"k\" is not in the file");
}

TEST(TorchHostile, OtherFilesAreNamed) {
  const auto error = [](const std::string& file) { return Parse(file).status().what(); };
  EXPECT_EQ(error(""), "is not a PyTorch checkpoint: it is neither a zip archive nor a pickle");
  EXPECT_EQ(error("<html>"), "is not a PyTorch checkpoint: it is neither a zip archive nor a pickle");
  EXPECT_EQ(error("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer, not the weights themselves");
  EXPECT_EQ(error("storages" + std::string(249, '\0') + "ustar\0"), "is a tar archive of a PyTorch before 0.1.12");
  EXPECT_EQ(error("\x80\x02}."), "is a pickle, but not one that torch.save has written");
  std::string old = File().Bytes();
  old[18] = '\xe8';
  EXPECT_EQ(error(old), "is of another version of the legacy format than 1001");
}

// ---- every truncation, many mutants ----

TEST(TorchHostile, EveryTruncationIsRefused) {
  for (const char* name : {"small.pt", "small_legacy.pt"}) {
    const std::string file = *ReadFile(kGolden + name);
    ASSERT_TRUE(Parse(file).ok());
    for (size_t size = 0; size < file.size(); ++size) {
      ASSERT_FALSE(Parse(std::string_view(file).substr(0, size)).ok()) << name << " of " << size << " bytes";
    }
  }
}

TEST(TorchHostile, MutantsAreRefusedOrRead) {
  const std::string pieces[] = {"(",
                                ".",
                                "t",
                                "R",
                                "q\x01",
                                "h\x01",
                                "Q",
                                "\x85",
                                "}",
                                "]",
                                "u",
                                "e",
                                "b",
                                "N",
                                "0",
                                "2",
                                "PK\1\2",
                                Int(INT64_MIN),
                                Int(INT64_MAX),
                                Int(-1),
                                std::string(8, '\xff'),
                                std::string(8, '\0')};
  std::mt19937 random(20241124);
  const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  std::vector<std::string> originals;
  for (const char* name : {"small.pt", "small_legacy.pt", "scripted.pt", "training_legacy.pt", "unread.pt"}) {
    originals.push_back(*ReadFile(kGolden + name));
  }
  int read = 0;
  for (int i = 0; i < 50'000 && std::chrono::steady_clock::now() < deadline; ++i) {
    std::string mutant = originals[below(originals.size())];
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      const size_t at = below(mutant.size());
      const std::string& piece = pieces[below(std::size(pieces))];
      switch (below(5)) {
        case 0: mutant[at] = static_cast<char>(below(256)); break;
        case 1: mutant.insert(at, piece); break;  // in an archive, this moves everything that follows
        case 2:
        case 3: mutant.replace(at, std::min(piece.size(), mutant.size() - at), piece); break;
        default: mutant.erase(at, 1 + below(20)); break;
      }
      if (mutant.empty()) mutant = "P";
    }
    const Result<StateDict> tensors = Parse(mutant);
    read += tensors.ok();
    if (!tensors.ok()) {
      ASSERT_NE(tensors.status().what(), "") << "mutant " << i;
      ASSERT_LT(tensors.status().ToString().size(), 1000u) << "mutant " << i;
    }
  }
  EXPECT_GT(read, 0);  // changes of the data are no violation
}

}  // namespace
}  // namespace diptych
