// Checkpoints for tests, made from a description instead of stored (tools/golden/clip.py).
#ifndef DIPTYCH_CLIP_TEST_CHECKPOINT_H_
#define DIPTYCH_CLIP_TEST_CHECKPOINT_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "core/half.h"
#include "core/json.h"

namespace diptych {

/// splitmix64 over (FNV-1a of the name) + index, as numbers in [-1, 1): tools/golden/clip.py makes the same.
inline std::vector<float> Uniform(const std::string& name, int64_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t z = i * 0x9e3779b97f4a7c15u + hash;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    values[i] = static_cast<float>(z >> 40) / 8388608.0f - 1.0f;
  }
  return values;
}

/// A weight as tools/golden/gradients.py makes it.
inline std::vector<float> MadeWeight(const std::string& name, const Shape& shape) {
  const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool norm = contains("ln_") || contains("LayerNorm");
  const int64_t count = shape.NumElements();
  double offset = 0.0, scale = 0.3;
  if (norm && name.ends_with("weight")) {
    offset = 1.0;
  } else if (contains("embedding") && !norm) {
    scale = 0.5;
  } else if (shape.rank() >= 2) {
    scale = 1.7 / std::sqrt(static_cast<double>(count) / static_cast<double>(shape[0]));
  }
  std::vector<float> values = Uniform(name, count);
  for (float& value : values) value = static_cast<float>(offset + scale * value);
  return values;
}

inline Tensor MadeTensor(const std::string& name, const Json& rule, const std::string& dtype) {
  std::vector<int64_t> dims = rule["shape"].get<std::vector<int64_t>>();
  const Shape shape(dims.data(), static_cast<int>(dims.size()));
  const float offset = rule["offset"].get<float>(), scale = rule["scale"].get<float>();
  std::vector<float> values = Uniform(name, shape.NumElements());
  for (float& value : values) value = offset + scale * value;
  Tensor tensor(dtype == "F32" ? DType::kF32 : dtype == "F16" ? DType::kF16 : DType::kBF16, shape);
  if (dtype == "F32") {
    std::copy(values.begin(), values.end(), tensor.mutable_data<float>());
  } else {
    auto* bits = static_cast<uint16_t*>(tensor.mutable_view().mutable_raw());
    for (size_t i = 0; i < values.size(); ++i) {
      bits[i] = dtype == "F16" ? FloatToHalf(values[i]) : FloatToBFloat16(values[i]);
    }
  }
  return tensor;
}

/// A checkpoint folder in a temporary place, as the reference would have saved it: the model of
/// tests/golden/clip/<name>.json with its made weights.
class Checkpoint {
 public:
  explicit Checkpoint(const std::string& name) {
    const std::filesystem::path golden = std::filesystem::path(DIPTYCH_SOURCE_DIR) / "tests" / "golden" / "clip";
    golden_ = *LoadJson((golden / (name + ".json")).string());
    std::string unique = (std::filesystem::path(testing::TempDir()) / ("diptych_" + name + "_XXXXXX")).string();
    CHECK(mkdtemp(unique.data()) != nullptr);
    folder_ = unique;
    if (golden_.contains("ids")) {
      for (const char* file : {"vocab.json", "merges.txt"}) std::filesystem::copy(golden / file, folder_ / file);
    }
    Write();
  }
  ~Checkpoint() { std::filesystem::remove_all(folder_); }

  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  Json& golden() { return golden_; }
  const Json& golden() const { return golden_; }
  std::string folder() const { return folder_.string(); }

  /// Writes the configuration files and weights as golden() now describes them.
  void Write() {
    for (const auto& [file, content] : golden_["files"].items()) std::ofstream(folder_ / file) << content;
    WriteWeights(golden_.contains("ids"), golden_.value("shards", 1));
  }

 private:
  void WriteWeights(bool transformers, int shards) {
    std::vector<std::map<std::string, TensorView>> files(static_cast<size_t>(shards));
    std::vector<Tensor> owners;
    size_t next = 0;
    for (const auto& [name, rule] : golden_["tensors"].items()) {
      owners.push_back(MadeTensor(name, rule, golden_["dtype"]));
      files[next++ % files.size()][name] = owners.back().view();
    }
    const std::string base = transformers ? "model" : "open_clip_model";
    if (shards == 1) {
      CHECK(SaveSafetensors((folder_ / (base + ".safetensors")).string(), files[0]).ok());
      return;
    }
    Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string file = base + "-0000" + std::to_string(i + 1) + ".safetensors";
      CHECK(SaveSafetensors((folder_ / file).string(), files[i]).ok());
      for (const auto& [name, view] : files[i]) index["weight_map"][name] = file;
    }
    std::ofstream(folder_ / (base + ".safetensors.index.json")) << index;
  }

  Json golden_;
  std::filesystem::path folder_;
};

}  // namespace diptych

#endif  // DIPTYCH_CLIP_TEST_CHECKPOINT_H_
