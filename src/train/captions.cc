#include "train/captions.h"

#include <algorithm>

#include "core/json.h"

namespace diptych::train {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

void AddCaptions(std::string_view lines, std::vector<std::string>* captions) {
  constexpr size_t kMaxCaptions = 256;  // each is compared with all before it
  while (!lines.empty() && captions->size() < kMaxCaptions) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view caption = Trimmed(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (caption.empty() || std::find(captions->begin(), captions->end(), caption) != captions->end()) continue;
    captions->emplace_back(caption);
  }
}

Status AddJsonCaptions(std::string_view json, const std::string& where, std::vector<std::string>* captions) {
  ASSIGN_OR_RETURN(const Json object, ParseJson(json, where));
  if (!object.is_object()) return Corrupt(where, "is not a JSON object");
  const auto add = [&](const Json& caption) {
    if (!caption.is_string()) return Corrupt(where, "a caption is not a string");
    AddCaptions(caption.get_ref<const std::string&>(), captions);
    return Status::Ok();
  };
  if (const auto one = object.find("caption"); one != object.end() && !one->is_null()) RETURN_IF_ERROR(add(*one));
  if (const auto all = object.find("captions"); all != object.end() && !all->is_null()) {
    if (!all->is_array()) return Corrupt(where, "\"captions\" is not a list");
    for (const Json& caption : *all) RETURN_IF_ERROR(add(caption));
  }
  return Status::Ok();
}

}  // namespace diptych::train
