// Whole models against open_clip and transformers (tools/golden/clip.py): the configuration, names, towers, tokenizer,
// scale. Weights are made by the same hash as there, so that only the answers are kept in git.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "clip/clip.h"
#include "core/half.h"
#include "core/json.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

std::vector<float> Uniform(const std::string& name, int64_t count) {
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

Tensor MadeTensor(const std::string& name, const Json& rule, const std::string& dtype) {
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

// A checkpoint folder as the reference would have saved it.
class Checkpoint {
 public:
  explicit Checkpoint(const std::string& name) {
    const fs::path golden = fs::path(DIPTYCH_SOURCE_DIR) / "tests" / "golden" / "clip";
    golden_ = *LoadJson((golden / (name + ".json")).string());
    folder_ = fs::path(testing::TempDir()) / ("diptych_" + name);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (const auto& [file, content] : golden_["files"].items()) std::ofstream(folder_ / file) << content;
    if (name.starts_with("hf_")) {
      for (const char* file : {"vocab.json", "merges.txt"}) fs::copy(golden / file, folder_ / file);
    }
    WriteWeights(name.starts_with("hf_"), golden_.value("shards", 1));
  }
  ~Checkpoint() { fs::remove_all(folder_); }

  const Json& golden() const { return golden_; }
  std::string folder() const { return folder_.string(); }

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
      ASSERT_TRUE(SaveSafetensors((folder_ / (base + ".safetensors")).string(), files[0]).ok());
      return;
    }
    Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string file = base + "-0000" + std::to_string(i + 1) + ".safetensors";
      ASSERT_TRUE(SaveSafetensors((folder_ / file).string(), files[i]).ok());
      for (const auto& [name, view] : files[i]) index["weight_map"][name] = file;
    }
    std::ofstream(folder_ / (base + ".safetensors.index.json")) << index;
  }

  Json golden_;
  fs::path folder_;
};

double Cosine(const float* a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < b.size(); ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

class ClipGolden : public testing::TestWithParam<const char*> {};

TEST_P(ClipGolden, EqualsTheReference) {
  const Checkpoint checkpoint(GetParam());
  const Json& golden = checkpoint.golden();
  Result<std::unique_ptr<Clip>> loaded = Clip::Load(checkpoint.folder());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Clip& clip = **loaded;
  const int64_t e = clip.embed_dim();
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  const int64_t n = static_cast<int64_t>(texts.size());
  if (golden.contains("ids")) {
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(clip.tokenizer().Encode(texts[i]), golden["ids"][i].get<std::vector<int32_t>>()) << texts[i];
    }
  }

  Context context(2);
  std::vector<float> pixels = Uniform("pixels", 2 * 3 * 32 * 32);
  for (float& value : pixels) value *= 2.0f;
  std::vector<float> images(static_cast<size_t>(2 * e)), words(static_cast<size_t>(n * e));
  clip.EncodeImages(context, pixels.data(), 2, images.data());
  clip.EncodeTexts(context, texts, words.data());
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_GT(Cosine(&images[i * e], golden["image_embeddings"][i].get<std::vector<float>>()), 0.99999) << i;
  }
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_GT(Cosine(&words[i * e], golden["text_embeddings"][i].get<std::vector<float>>()), 0.99999) << texts[i];
  }
  std::vector<float> logits(static_cast<size_t>(2 * n));
  clip.Logits(images.data(), 2, words.data(), n, logits.data());
  for (int64_t i = 0; i < 2; ++i) {
    const auto expected = golden["logits_per_image"][i].get<std::vector<float>>();
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    for (int64_t j = 0; j < n; ++j) EXPECT_NEAR(logits[i * n + j], expected[j], 1e-3f * largest) << i << " " << j;
  }
}

TEST_P(ClipGolden, RowsDoNotDependOnThreadsOrNeighbours) {
  const Checkpoint checkpoint(GetParam());
  const std::unique_ptr<Clip> clip = std::move(*Clip::Load(checkpoint.folder()));
  const size_t e = static_cast<size_t>(clip->embed_dim());
  const auto texts = checkpoint.golden()["texts"].get<std::vector<std::string>>();
  Context one(1), two(2);
  std::vector<float> together(texts.size() * e), alone(e);
  clip->EncodeTexts(two, texts, together.data());
  for (size_t i = 0; i < texts.size(); ++i) {
    clip->EncodeTexts(one, {&texts[i], 1}, alone.data());
    for (size_t k = 0; k < e; ++k) EXPECT_NEAR(alone[k], together[i * e + k], 2e-6f) << texts[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ClipGolden,
                         testing::Values("openclip_b_gelu", "openclip_b_quickgelu", "openclip_so400m_head72",
                                         "openclip_h_head80", "openclip_g_head88", "openclip_bigg_head104",
                                         "openclip_custom_text", "openclip_average_pool", "hf_legacy_eos", "hf_gelu",
                                         "hf_sharded_bf16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace diptych
