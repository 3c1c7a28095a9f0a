#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/half.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = DIPTYCH_SOURCE_DIR "/tests/golden/checkpoint/";

double At(const TensorView& view, int64_t i) {
  switch (view.dtype()) {
    case DType::kF32: return view.data<float>()[i];
    case DType::kF64: return view.data<double>()[i];
    case DType::kF16: return HalfToFloat(static_cast<const uint16_t*>(view.raw())[i]);
    case DType::kBF16: return BFloat16ToFloat(static_cast<const uint16_t*>(view.raw())[i]);
    case DType::kI8: return view.data<int8_t>()[i];
    case DType::kU8: return view.data<uint8_t>()[i];
    case DType::kI16: return view.data<int16_t>()[i];
    case DType::kI32: return view.data<int32_t>()[i];
    case DType::kI64: return static_cast<double>(view.data<int64_t>()[i]);
    case DType::kBool: return view.data<bool>()[i];
  }
  return -1;
}

// Golden tensors count 0, 1, 2, ... in the order of memory.
void ExpectCounts(const std::string& name, const TensorView& view) {
  for (int64_t i = 0; i < view.NumElements(); ++i) {
    ASSERT_EQ(At(view, i), view.dtype() == DType::kBool ? i != 0 : i) << name << " at " << i;
  }
}

class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_safetensors_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::copy(kGolden + "sharded", folder_);
    index_ = folder_ + "/model.safetensors.index.json";
  }
  void TearDown() override { fs::remove_all(folder_); }

  // What is wrong with the sharded checkpoint once its index is `text`; "I" stands for the index, "F" for the folder.
  std::string IndexError(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(index_, text).ok());
    const Result<StateDict> tensors = LoadShardedSafetensors(index_);
    if (tensors.ok()) return "ok";
    std::string error = tensors.status().where() + ": " + tensors.status().what();
    for (const auto& [from, to] : {std::pair<std::string, std::string>(index_, "I"), {folder_, "F"}}) {
      for (size_t at; (at = error.find(from)) != std::string::npos;) error.replace(at, from.size(), to);
    }
    return error;
  }

  std::string folder_, index_;
};

TEST_F(Safetensors, EveryDtypeIsReadAsTheReferenceWroteIt) {
  const Result<StateDict> tensors = LoadSafetensors(kGolden + "every_dtype.safetensors");
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  EXPECT_EQ(tensors->size(), 14u);
  for (const auto& [name, tensor] : *tensors) ExpectCounts(name, tensor.view);
  EXPECT_EQ(tensors->at("weights.bf16").view.dtype(), DType::kBF16);
  EXPECT_EQ(tensors->at("weights.bf16").view.shape(), (Shape{3, 5}));
  EXPECT_EQ(tensors->at("scalar").view.shape(), Shape());
  EXPECT_EQ(tensors->at("none").view.shape(), (Shape{0, 4}));
  EXPECT_EQ(tensors->at("five").view.shape(), (Shape{1, 2, 1, 3, 2}));
  EXPECT_TRUE(tensors->contains("name \"quoted\"\\ \t\x01 gr\u00f6\u00dfe \U0001d11e"));
  EXPECT_EQ(tensors->at("scalar").file, kGolden + "every_dtype.safetensors");
}

TEST_F(Safetensors, WhatTensorCannotHoldIsSkipped) {
  const Result<StateDict> tensors = LoadSafetensors(kGolden + "unread_dtypes.safetensors");
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  ASSERT_EQ(tensors->size(), 1u);
  ExpectCounts("kept", tensors->at("kept").view);
}

TEST_F(Safetensors, MisalignedTensorsAreCopiedToWhereTheyMayBeRead) {
  const Result<StateDict> tensors = LoadSafetensors(kGolden + "misaligned.safetensors");
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  for (const auto& [name, tensor] : *tensors) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.view.raw()) % SizeOf(tensor.view.dtype()), 0u);
    ExpectCounts(name, tensor.view);
  }
}

TEST_F(Safetensors, TheBytesOutliveTheDictionary) {
  StoredTensor kept;
  {
    const StateDict tensors = *LoadSafetensors(kGolden + "every_dtype.safetensors");
    kept = tensors.at("weights.f64");
  }
  ExpectCounts("weights.f64", kept.view);
}

TEST_F(Safetensors, IsSavedByteForByteAsTheReferenceSaves) {
  const StateDict tensors = *LoadSafetensors(kGolden + "every_dtype.safetensors");
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : tensors) views.emplace(name, tensor.view);
  const std::string path = folder_ + "/saved.safetensors";
  ASSERT_TRUE(SaveSafetensors(path, views).ok());
  EXPECT_EQ(*ReadFile(path), *ReadFile(kGolden + "every_dtype.safetensors"));
}

TEST_F(Safetensors, MetadataIsWrittenAndTheEmptyDictionaryToo) {
  const std::string path = folder_ + "/saved.safetensors";
  ASSERT_TRUE(SaveSafetensors(path, {}, {{"step", "7"}, {"a\n", "\"q\""}}).ok());
  EXPECT_NE(ReadFile(path)->find(R"({"__metadata__":{"a\n":"\"q\"","format":"pt","step":"7"}})"), std::string::npos);
  EXPECT_TRUE(LoadSafetensors(path)->empty());
  EXPECT_EQ(ReadFile(path)->size() % 8, 0u);
  EXPECT_EQ(SaveSafetensors(path, {{"__metadata__", TensorView()}}).code(), StatusCode::kInvalidArgument);
}

TEST_F(Safetensors, ShardsAreJoined) {
  const Result<StateDict> tensors = LoadShardedSafetensors(index_);
  ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
  EXPECT_EQ(tensors->size(), 3u);
  for (const auto& [name, tensor] : *tensors) ExpectCounts(name, tensor.view);
  EXPECT_EQ(tensors->at("b.weight").file, folder_ + "/model-00002-of-00002.safetensors");
}

TEST_F(Safetensors, ShardsThatLeaveTheFolderAreRefused) {
  for (const char* shard : {"../x", "/etc/passwd", "a/b", "..", ".", "", "a\\\\b", "a\\u0000"}) {
    const std::string error = IndexError(R"({"weight_map": {"t": ")" + std::string(shard) + "\"}}");
    EXPECT_NE(error.find("which is not a plain file name"), std::string::npos) << shard << " " << error;
  }
}

TEST_F(Safetensors, AnIndexThatContradictsItsShardsIsRefused) {
  const std::string one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
  EXPECT_EQ(IndexError(R"({"weight_map": {"b.weight": ")" + one + "\"}}"),
            "I: tensor \"b.weight\": is not in F/" + one + ", where it should be");
  EXPECT_EQ(IndexError(R"({"weight_map": {"t": "none.safetensors"}})"), "I: F/none.safetensors: no such file");
  fs::copy_file(folder_ + "/" + one, folder_ + "/again.safetensors");
  EXPECT_EQ(IndexError(R"({"weight_map": {"a.bias": "again.safetensors", "a.weight": ")" + one + "\"}}"),
            "F/" + one + ": tensor \"a.bias\": is also in F/again.safetensors");
  fs::resize_file(folder_ + "/" + two, 60);
  EXPECT_EQ(IndexError(R"({"weight_map": {"b.weight": ")" + two + "\"}}"),
            "F/" + two + ": is truncated: its header is 96 bytes long, the file only 60");
}

TEST_F(Safetensors, AMalformedIndexIsRefused) {
  EXPECT_EQ(IndexError("{}"), "I: has no weight_map, which says where each tensor is");
  EXPECT_EQ(IndexError(R"({"weight_map": {}})"), "I: has no weight_map, which says where each tensor is");
  EXPECT_EQ(IndexError(R"({"weight_map": [1]})"), "I: is not valid JSON: expected '{' at byte 15");
  EXPECT_EQ(IndexError(R"({"weight_map": {"a": 1}})"), "I: is not valid JSON: expected a string at byte 21");
  EXPECT_EQ(IndexError(R"({"weight_map": {"a": "s", "a": "s"}})"), "I: tensor \"a\": is listed twice");
  EXPECT_EQ(IndexError(R"({"weight_map": {"a": "s"}, "weight_map": {}})"), "I: has the field \"weight_map\" twice");
  EXPECT_EQ(IndexError("<html>"), "I: is not valid JSON: expected '{' at byte 0");
  EXPECT_EQ(IndexError("{\"metadata\": " + std::string(1'000'000, '[')),
            "I: is not valid JSON: nested too deep at byte 46");
  EXPECT_NE(IndexError("{" + std::string(16'000'000, ' ') + "}").find("the limit is 16000000"), std::string::npos);
}

}  // namespace
}  // namespace diptych
