#include "checkpoint/torch_zip.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <string>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = DIPTYCH_SOURCE_DIR "/tests/golden/torch/";

// Both hold the same tensors, bit for bit.
void ExpectSame(const Result<StateDict>& read, const Result<StateDict>& expected) {
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  EXPECT_EQ(read->size(), expected->size());
  for (const auto& [name, tensor] : *expected) {
    const auto it = read->find(name);
    ASSERT_NE(it, read->end()) << name;
    const TensorView& view = it->second.view;
    EXPECT_EQ(view.dtype(), tensor.view.dtype()) << name;
    ASSERT_EQ(view.shape(), tensor.view.shape()) << name;
    EXPECT_EQ(std::memcmp(view.raw(), tensor.view.raw(), view.SizeBytes()), 0) << name;
  }
}

std::string LoadError(const std::string& file) {
  const Result<StateDict> tensors = LoadTorchCheckpoint(kGolden + file);
  if (tensors.ok()) return "ok";
  std::string text = tensors.status().ToString();
  return text.replace(text.find(kGolden), kGolden.size(), "");
}

TEST(TorchZip, EveryWayOfSavingAStateDictIsRead) {
  const Result<StateDict> expected = LoadSafetensors(kGolden + "state_dict.safetensors");
  for (const char* file :
       {"state_dict.pt", "protocol4.pt", "legacy.pt", "legacy_protocol4.pt", "training.pt", "training_legacy.pt"}) {
    SCOPED_TRACE(file);
    ExpectSame(LoadTorchCheckpoint(kGolden + file), expected);
  }
}

TEST(TorchZip, ATreeOfModulesIsFlattened) {
  ExpectSame(LoadTorchCheckpoint(kGolden + "scripted.pt"), LoadSafetensors(kGolden + "scripted.safetensors"));
}

TEST(TorchZip, ShardsAreJoined) {
  const std::string index = kGolden + "sharded/pytorch_model.bin.index.json";
  ExpectSame(LoadShardedTorchCheckpoint(index), LoadSafetensors(kGolden + "sharded.safetensors"));
}

TEST(TorchZip, TheReaderIsChosenByName) {
  ExpectSame(LoadCheckpoint(kGolden + "sharded/pytorch_model.bin.index.json"),
             LoadCheckpoint(kGolden + "sharded.safetensors"));
  ExpectSame(LoadCheckpoint(kGolden + "legacy.pt"), LoadCheckpoint(kGolden + "state_dict.safetensors"));
  EXPECT_TRUE(LoadCheckpoint(DIPTYCH_SOURCE_DIR "/tests/golden/checkpoint/sharded/model.safetensors.index.json").ok());
}

TEST(TorchZip, TensorsAreViewsOfTheFileWhereTheyAreContiguous) {
  for (const char* name : {"state_dict.pt", "legacy.pt"}) {
    const auto file = *MappedFile::Open(kGolden + name);
    const Result<StateDict> tensors = ParseTorchCheckpoint(file->bytes(), file, name);
    ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
    std::set<std::string> copied;
    for (const auto& [key, tensor] : *tensors) {
      if (tensor.owner != file) copied.insert(key);
    }
    EXPECT_EQ(copied, (std::set<std::string>{"channels_last", "column", "expanded", "inner", "transposed"})) << name;
    EXPECT_EQ(static_cast<const uint8_t*>(tensors->at("rows").view.raw()),
              static_cast<const uint8_t*>(tensors->at("table").view.raw()) + 2 * 4 * sizeof(float));
    EXPECT_EQ(tensors->at("rows").file, name);
  }
}

TEST(TorchZip, WhatTensorCannotHoldIsSkipped) {
  for (const char* file : {"unread.pt", "unread_legacy.pt"}) {
    const Result<StateDict> tensors = LoadTorchCheckpoint(kGolden + file);
    ASSERT_TRUE(tensors.ok()) << tensors.status().ToString();
    ASSERT_EQ(tensors->size(), 1u);
    EXPECT_EQ(tensors->begin()->first, "kept");
  }
}

TEST(TorchZip, FilesWithoutAStateDictSaySo) {
  EXPECT_EQ(LoadError("module.pt"),
            "module.pt: holds no state dict, but an object: \"torch.nn.modules.linear.Linear\"; "
            "save model.state_dict() with torch.save, or as safetensors");
  EXPECT_EQ(LoadError("no_tensors.pt"),
            "no_tensors.pt: holds no dictionary of tensors; its keys begin with \"epoch\", \"weights\"; save "
            "model.state_dict() with torch.save, or as safetensors");
  EXPECT_EQ(LoadError("state_dict.safetensors"),
            "state_dict.safetensors: is not a PyTorch checkpoint: it is neither a zip archive nor a pickle");
}

class TorchShards : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_torch_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::copy(kGolden + "sharded", folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string IndexError(const std::string& text) {
    const std::string index = folder_ + "/pytorch_model.bin.index.json";
    EXPECT_TRUE(WriteFileAtomically(index, text).ok());
    const Result<StateDict> tensors = LoadShardedTorchCheckpoint(index);
    return tensors.ok() ? "ok" : tensors.status().ToString();
  }

  std::string folder_;
};

TEST_F(TorchShards, AnIndexThatContradictsItsShardsIsRefused) {
  const std::string one = "pytorch_model-00001-of-00002.bin";
  EXPECT_NE(IndexError(R"({"weight_map": {"t": "../x.bin"}})").find("which is not a plain file name"),
            std::string::npos);
  EXPECT_NE(IndexError(R"({"weight_map": {"t": "none.bin"}})").find("none.bin: no such file"), std::string::npos);
  EXPECT_NE(IndexError(R"({"weight_map": {"b.weight": ")" + one + "\"}}").find("where it should be"),
            std::string::npos);
  fs::copy_file(folder_ + "/" + one, folder_ + "/again.bin");
  EXPECT_NE(IndexError(R"({"weight_map": {"a.bias": "again.bin", "a.weight": ")" + one + "\"}}").find("is also in"),
            std::string::npos);
}

}  // namespace
}  // namespace diptych
