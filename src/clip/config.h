// What a model is: its towers' shapes, pixels, tokens, and where each fact came from.
#ifndef DIPTYCH_CLIP_CONFIG_H_
#define DIPTYCH_CLIP_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/status.h"
#include "image/preprocess.h"
#include "image/tower.h"
#include "text/tokenizer.h"
#include "text/tower.h"

namespace diptych {

/// Who wrote the checkpoint: its files, their names for tensors, their rules.
enum class Container : uint8_t {
  kOpenClip,     // open_clip_config.json + open_clip_model.safetensors or PyTorch's own
  kHuggingFace,  // transformers: config.json + model.safetensors or PyTorch's own
};
const char* NameOf(Container container);

/// A statement about the model and its source, for `info`: {"image size", "224", "open_clip_config.json"}.
struct Fact {
  std::string name, value, source;
};

struct ClipConfig {
  std::string folder;                 // of the checkpoint
  std::string family;                 // "ViT-B/32, 224 pixels", for people
  Container container = Container::kOpenClip;
  std::vector<std::string> weights;   // file names within the folder
  int embed_dim = 0;                  // E
  bool has_logit_bias = false;        // SigLIP style: probabilities are sigmoids
  ImageTowerConfig image;
  TextTowerConfig text;
  PreprocessConfig preprocess;
  TokenizerOptions tokenizer;
  bool builtin_tokenizer = false;     // CLIP's own vocabulary instead of files in the folder
  /// The names by which open_clip builds a tower or tokenizer that is not its own; empty where it is.
  std::string timm_model_name, hf_model_name, hf_tokenizer_name;
  std::string license;                // empty where unknown
  std::vector<Fact> facts;
};

/// Reads a checkpoint folder's configuration, open_clip's before transformers' where the weights of both are there.
/// Nothing is guessed from a size; a field that contradicts another, or names something unknown, is an error that
/// quotes it.
Result<ClipConfig> LoadClipConfig(const std::string& folder);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_CONFIG_H_
