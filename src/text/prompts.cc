#include "text/prompts.h"

namespace diptych {
namespace {

// Published by OpenAI with CLIP (notebooks/Prompt_Engineering_for_ImageNet.ipynb, MIT), in its order: the mean of the
// embeddings depends on it in the last bits.
constexpr std::string_view kOpenAi[] = {
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
};

// The seven that sequential forward selection chose there.
constexpr std::string_view kSimple[] = {
    "itap of a {}.",  "a bad photo of the {}.",   "a origami {}.", "a photo of the large {}.", "a {} in a video game.",
    "art of the {}.", "a photo of the small {}.",
};

constexpr std::string_view kPlaceholder = "{}";

}  // namespace

Result<std::vector<std::string>> NamedTemplates(std::string_view name) {
  if (name == "openai") return std::vector<std::string>(std::begin(kOpenAi), std::end(kOpenAi));
  if (name == "simple") return std::vector<std::string>(std::begin(kSimple), std::end(kSimple));
  if (name == "none") return std::vector<std::string>{std::string(kPlaceholder)};
  return InvalidArgument("templates", "there is no set named \"" + std::string(name) + "\"",
                         "the sets are openai, simple and none");
}

Status CheckTemplate(std::string_view text) {
  const size_t first = text.find(kPlaceholder);
  const std::string where = "template \"" + std::string(text) + "\"";
  if (first == std::string_view::npos) {
    return InvalidArgument(where, "has no {} for the label", "for example \"" + std::string(kDefaultTemplate) + "\"");
  }
  if (text.find(kPlaceholder, first + kPlaceholder.size()) != std::string_view::npos) {
    return InvalidArgument(where, "has {} more than once", "one label goes into one place");
  }
  return Status::Ok();
}

std::string FillTemplate(std::string_view text, std::string_view label) {
  const size_t at = text.find(kPlaceholder);
  if (at == std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, at)).append(label).append(text.substr(at + kPlaceholder.size()));
}

}  // namespace diptych
