#include "clip/names.h"

#include <string_view>
#include <utility>

namespace diptych {
namespace {

// Replaces the first `from` in `text`; false where there is none.
bool Replace(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

// `name` with `joined` replaced by each of the parts.
std::vector<std::string> Split(const std::string& name, std::string_view joined,
                               std::initializer_list<std::string_view> parts) {
  std::vector<std::string> names;
  for (const std::string_view part : parts) {
    names.push_back(name);
    Replace(names.back(), joined, part);
  }
  return names;
}

std::vector<std::vector<std::string>> OpenClipNames(const std::string& name) {
  if (name.find(".self.qkv.") != std::string::npos) {
    return {Split(name, ".self.qkv.", {".self.query.", ".self.key.", ".self.value."})};
  }
  if (name.starts_with("visual.") || name.starts_with("text.") || name.starts_with("logit_")) return {{name}};
  return {{name}, {"text." + name}};  // models with custom_text put their text tower behind a prefix
}

std::vector<std::vector<std::string>> HuggingFaceNames(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kWhole[] = {
      {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
      {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
      {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
      {"visual.proj", "visual_projection.weight"},
      {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
      {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
      {"text_projection", "text_projection.weight"}};
  for (const auto& [ours, theirs] : kWhole) {
    if (name == ours) return {{std::string(theirs)}};
  }
  static constexpr std::pair<std::string_view, std::string_view> kPieces[] = {
      {"visual.ln_pre.", "vision_model.pre_layrnorm."},  // the typo is theirs
      {"visual.ln_post.", "vision_model.post_layernorm."},
      {"visual.transformer.resblocks.", "vision_model.encoder.layers."},
      {"transformer.resblocks.", "text_model.encoder.layers."},
      {"ln_final.", "text_model.final_layer_norm."},
      {".ln_1.", ".layer_norm1."},
      {".ln_2.", ".layer_norm2."},
      {".attn.out_proj.", ".self_attn.out_proj."},
      {".mlp.c_fc.", ".mlp.fc1."},
      {".mlp.c_proj.", ".mlp.fc2."}};
  std::string stored = name;
  for (const auto& [ours, theirs] : kPieces) Replace(stored, ours, theirs);
  for (const std::string_view kind : {"weight", "bias"}) {
    const std::string joined = ".attn.in_proj_" + std::string(kind);
    if (stored.find(joined) == std::string::npos) continue;
    const std::string end = std::string("_proj.") + std::string(kind);
    return {Split(stored, joined, {".self_attn.q" + end, ".self_attn.k" + end, ".self_attn.v" + end})};
  }
  return {{stored}};
}

}  // namespace

std::vector<std::vector<std::string>> StoredNames(Container container, const std::string& name) {
  return container == Container::kOpenClip ? OpenClipNames(name) : HuggingFaceNames(name);
}

bool IsIgnorableTensor(const std::string& name) {
  return name.ends_with(".num_batches_tracked") || name.ends_with(".position_ids") ||
         name.ends_with(".token_type_ids") || name.starts_with("text.transformer.pooler.") ||
         name == "input_resolution" || name == "context_length" || name == "vocab_size";  // OpenAI's TorchScript files
}

}  // namespace diptych
