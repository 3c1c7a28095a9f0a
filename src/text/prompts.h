// Prompt templates: "a photo of a {}" and the published sets.
#ifndef DIPTYCH_TEXT_PROMPTS_H_
#define DIPTYCH_TEXT_PROMPTS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace diptych {

inline constexpr std::string_view kDefaultTemplate = "a photo of a {}";

/// "openai": the 80 templates published for ImageNet; "simple": the seven-template subset published with them;
/// "none": "{}" alone. Anything else is an error that lists these names.
Result<std::vector<std::string>> NamedTemplates(std::string_view name);

/// A template holds "{}" exactly once; otherwise an error that quotes it.
Status CheckTemplate(std::string_view text);

/// The template with the label in the place of "{}".
std::string FillTemplate(std::string_view text, std::string_view label);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_PROMPTS_H_
