// What a broken checkpoint is told: one line, naming the file or field and what is wrong with it.
#include "clip/clip.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "clip/families.h"
#include "clip/test_checkpoint.h"

namespace diptych {
namespace {

struct BrokenCase {
  const char* name;
  const char* model;
  std::function<void(Json&)> damage;
  const char* expected;  // part of the message
};

Json& OpenClip(Json& golden) { return golden["files"]["open_clip_config.json"]["model_cfg"]; }
Json& HuggingFace(Json& golden) { return golden["files"]["config.json"]; }

const BrokenCase kBroken[] = {
    {"missing_tensor", "openclip_b_gelu", [](Json& g) { g["tensors"].erase("visual.ln_post.bias"); },
     "tensor \"visual.ln_post.bias\" is missing"},
    {"extra_tensor", "openclip_b_gelu",
     [](Json& g) { g["tensors"]["visual.surprise"] = {{"shape", {2}}, {"offset", 0}, {"scale", 1}}; },
     "no place for the stored tensor \"visual.surprise\""},
    {"wrong_shape", "openclip_b_gelu",
     [](Json& g) { g["tensors"]["visual.conv1.weight"]["shape"] = {128, 3, 4, 4}; },
     "\"visual.conv1.weight\" has shape (128, 3, 4, 4), the configuration asks for (128, 3, 8, 8)"},
    {"missing_query", "hf_gelu",
     [](Json& g) { g["tensors"].erase("text_model.encoder.layers.1.self_attn.k_proj.weight"); },
     "\"text_model.encoder.layers.1.self_attn.k_proj.weight\" is missing"},
    {"endless_scale", "openclip_b_gelu", [](Json& g) { g["tensors"]["logit_scale"]["offset"] = 1000.0; },
     "logit_scale"},
    {"no_embed_dim", "openclip_b_gelu", [](Json& g) { OpenClip(g).erase("embed_dim"); }, "\"embed_dim\" is missing"},
    {"text_for_number", "openclip_b_gelu", [](Json& g) { OpenClip(g)["embed_dim"] = "24"; },
     "\"embed_dim\" is not a number"},
    {"absurd_layers", "openclip_b_gelu", [](Json& g) { OpenClip(g)["vision_cfg"]["layers"] = 1e9; },
     "\"layers\" is 1000000000, not between 1 and 512"},
    {"uneven_heads", "openclip_b_gelu", [](Json& g) { OpenClip(g)["text_cfg"]["heads"] = 5; },
     "width 64 is not a multiple of 5 heads"},
    {"unknown_tower", "openclip_b_gelu", [](Json& g) { OpenClip(g)["vision_cfg"]["timm_model_name"] = "resnet9000"; },
     "timm_model_name \"resnet9000\" is unknown"},
    {"unknown_pool", "openclip_b_gelu", [](Json& g) { OpenClip(g)["text_cfg"]["pool_type"] = "best"; },
     "pool_type \"best\" is unknown"},
    {"resnet_stages", "openclip_resnet", [](Json& g) { OpenClip(g)["vision_cfg"]["layers"] = {3, 4, 6}; },
     "\"layers\" lists 3 stages, not 4"},
    {"resnet_depth", "openclip_resnet", [](Json& g) { OpenClip(g)["vision_cfg"]["layers"] = {1, 1, -1, 1}; },
     "\"layers\" holds -1, not a number from 1 to 512"},
    {"resnet_odd_width", "openclip_resnet", [](Json& g) { OpenClip(g)["vision_cfg"]["width"] = 9; }, "width 9 is odd"},
    {"resnet_size", "openclip_resnet", [](Json& g) { OpenClip(g)["vision_cfg"]["image_size"] = 31; },
     "image_size 31 does not give a last map"},
    {"resnet_heads", "openclip_resnet", [](Json& g) { OpenClip(g)["vision_cfg"]["head_width"] = 80; },
     "width 256 is not a multiple of 3 heads"},
    {"zero_std", "openclip_b_gelu",
     [](Json& g) { g["files"]["open_clip_config.json"]["preprocess_cfg"]["std"] = {1, 0, 1}; }, "\"std\""},
    {"wrong_vocabulary", "openclip_b_gelu",
     [](Json& g) {
       OpenClip(g)["text_cfg"]["vocab_size"] = 100;
       g["tensors"]["token_embedding.weight"]["shape"] = {100, 64};
     },
     "the tokenizer knows 49408 tokens, the text tower only 100"},
    {"model_type", "hf_gelu", [](Json& g) { HuggingFace(g)["model_type"] = "bert"; },
     "model_type \"bert\" is not supported"},
    {"activation", "hf_gelu", [](Json& g) { HuggingFace(g)["vision_config"]["hidden_act"] = "swish"; },
     "activation \"swish\" is unknown"},
    {"crop_contradicts", "hf_gelu",
     [](Json& g) { g["files"]["preprocessor_config.json"]["crop_size"] = {{"height", 64}, {"width", 64}}; },
     "prepares pictures of 64 pixels, the image tower wants 32"},
    {"projection_contradicts", "hf_gelu", [](Json& g) { HuggingFace(g)["projection_dim"] = 25; },
     "\"visual_projection.weight\" has shape (24, 128), the configuration asks for (25, 128)"},
};

class BrokenCheckpoint : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenCheckpoint, IsRefusedInOneLine) {
  Checkpoint checkpoint(GetParam().model);
  GetParam().damage(checkpoint.golden());
  checkpoint.Write();
  const Result<std::unique_ptr<Clip>> loaded = Clip::Load(checkpoint.folder());
  ASSERT_FALSE(loaded.ok());
  const std::string message = loaded.status().ToString();
  EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(message.find(checkpoint.folder()), 0u) << message;
}

INSTANTIATE_TEST_SUITE_P(Cases, BrokenCheckpoint, testing::ValuesIn(kBroken),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ClipLoad, WhatIsNotThereIsSaid) {
  EXPECT_NE(Clip::Load("no-such-model").status().ToString().find("model \"no-such-model\": not found in"),
            std::string::npos);
  EXPECT_FALSE(Clip::Load("").ok());
  EXPECT_NE(Clip::Load(testing::TempDir()).status().ToString().find("holds no checkpoint"), std::string::npos);
}

std::string LittleEndian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// As torch.save wrote before version 1.6, when nothing in the file was aligned.
std::string LegacyTorchFile(const StateDict& tensors) {
  const auto text = [](const std::string& s) { return "X" + LittleEndian(s.size(), 4) + s; };
  const auto integer = [](int64_t value) { return "\x8a\x08" + LittleEndian(static_cast<uint64_t>(value), 8); };
  std::string object = "\x80\x02}", keys = "\x80\x02]", data;
  for (const auto& [name, tensor] : tensors) {
    const TensorView& view = tensor.view;
    std::string shape, strides;
    int64_t stride = view.NumElements();
    for (int i = 0; i < view.shape().rank(); ++i) {
      shape += integer(view.shape()[i]);
      strides += integer(stride /= view.shape()[i]);
    }
    const char* type = view.dtype() == DType::kF32 ? "Float" : view.dtype() == DType::kF16 ? "Half" : "BFloat16";
    object += text(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type + "Storage\n" +
              text(name) + text("cpu") + integer(view.NumElements()) + "NtQ" + integer(0) + "(" + shape + "t(" +
              strides + "t\x89NtRs";
    keys += text(name) + "a";
    data += LittleEndian(static_cast<uint64_t>(view.NumElements()), 8);
    data.append(static_cast<const char*>(view.raw()), view.SizeBytes());
  }
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}." + object + "." + keys +
         "." + data;
}

TEST(ClipLoad, PyTorchsFilesGiveTheSameModel) {
  constexpr const char* kFiles[][3] = {
      {"openclip_b_gelu", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"},
      {"openclip_b_gelu", "open_clip_model.safetensors", "open_clip_pytorch_model.pth"},
      {"hf_gelu", "model.safetensors", "pytorch_model.bin"}};
  for (const auto& [model, safetensors, torch] : kFiles) {
    SCOPED_TRACE(torch);
    Checkpoint checkpoint(model);
    const std::string folder = checkpoint.folder() + "/";
    const auto expected = Clip::Load(checkpoint.folder());
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    StateDict tensors = *LoadSafetensors(folder + safetensors);
    const Tensor size(DType::kF32, Shape());
    tensors["input_resolution"].view = size.view();  // OpenAI's files have such, and no place in a model
    ASSERT_TRUE(WriteFileAtomically(folder + torch, LegacyTorchFile(tensors)).ok());
    std::filesystem::remove(folder + safetensors);
    const auto read = Clip::Load(checkpoint.folder());
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    (*read)->image_plan();  // packing gives the weights' pages back; they must still be there afterwards
    EXPECT_EQ((*read)->fingerprint(), (*expected)->fingerprint());
  }
}

TEST(ClipLoad, FingerprintsTellModelsApart) {
  Checkpoint one("openclip_b_gelu"), two("openclip_h_head80"), again("openclip_b_gelu");
  const std::string a = (*Clip::Load(one.folder()))->fingerprint(), b = (*Clip::Load(two.folder()))->fingerprint();
  EXPECT_EQ(a.size(), 16u);
  EXPECT_NE(a, b);
  EXPECT_EQ(a, (*Clip::Load(again.folder()))->fingerprint());
  again.golden()["tensors"]["visual.proj"]["offset"] = 0.001;
  again.Write();
  EXPECT_NE(a, (*Clip::Load(again.folder()))->fingerprint());
}

TEST(Families, NamesWithTwoMeaningsLeadToTheTrainedActivation) {
  for (const char* model : {"ViT-B-32", "ViT-B-32-quickgelu"}) {
    const FamilyRow* row = FamilyByOpenClipName(model, "openai");
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->hub_id, "timm/vit_base_patch32_clip_224.openai");
    EXPECT_EQ(row->activation, kernels::Activation::kQuickGelu);
  }
  EXPECT_EQ(FamilyByOpenClipName("ViT-L-14", "dfn2b_s39b")->activation, kernels::Activation::kGelu);
  EXPECT_EQ(FamilyByOpenClipName("ViT-B-32", "no-such-tag"), nullptr);
  EXPECT_EQ(FamilyByOpenClipName("ViT-B-32", ""), nullptr);
}

TEST(Families, EveryIdStandsOnce) {
  for (const FamilyRow& row : Families()) EXPECT_EQ(FamilyByHubId(row.hub_id), &row) << row.hub_id;
  EXPECT_EQ(FamilyByHubId("no/such"), nullptr);
}

}  // namespace
}  // namespace diptych
