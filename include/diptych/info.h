// What a model is.
#ifndef DIPTYCH_INFO_H_
#define DIPTYCH_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

namespace diptych {

/// A statement about a model and where it was read.
struct ModelFact {
  std::string name, value, source;
};

struct ModelInfo {
  std::string model;      // as asked for
  std::string folder;     // of the checkpoint
  std::string family;     // "EfficientNet-Lite0 + BERT"
  std::string container;  // "open_clip"
  int64_t parameters = 0;
  int embed_dim = 0;       // E
  int image_size = 0;      // S
  int context_length = 0;  // most tokens of a text
  std::string tokenizer;
  double logit_scale = 1, logit_bias = 0;
  std::string fingerprint;
  std::string license;             // empty where unknown
  std::vector<std::string> files;  // of weights, within the folder
  std::vector<ModelFact> facts;    // pixels, towers, tokens, each with its source
};

}  // namespace diptych

#endif  // DIPTYCH_INFO_H_
