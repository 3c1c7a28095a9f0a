#include "apps/texts.h"

#include <set>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "text/prompts.h"

namespace diptych {
namespace {

constexpr size_t kMaxTextFile = size_t{256} << 20;

// Well-formed UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      const unsigned char low = k > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned char high = k > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      if (next < low || next > high) return false;
    }
    i += length;
  }
  return true;
}

std::string Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

}  // namespace

Result<std::vector<std::string>> ReadLines(const std::string& path, const std::string& flag) {
  Result<std::string> read = ReadFile(path, kMaxTextFile);
  if (!read.ok()) return read.status().Within("--" + flag);
  std::string_view text = *read;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!IsUtf8(text)) return Corrupt("--" + flag + ": " + path, "is not UTF-8 text");
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

Result<std::vector<std::string>> GatherTexts(const TextOptions& options) {
  std::vector<std::string> texts = options.texts;
  if (!options.texts_file.empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(options.texts_file, "texts-file"));
    texts.insert(texts.end(), lines.begin(), lines.end());
  }
  return texts;
}

Result<std::vector<std::string>> GatherLabels(const ClassifyOptions& options) {
  std::vector<std::string> raw = options.labels;
  for (const std::string& list : options.label_lists) {
    for (size_t begin = 0, end; begin <= list.size(); begin = end + 1) {
      end = std::min(list.find(',', begin), list.size());
      raw.push_back(list.substr(begin, end - begin));
    }
  }
  if (!options.labels_file.empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(options.labels_file, "labels-file"));
    raw.insert(raw.end(), lines.begin(), lines.end());
  }
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (const std::string& one : raw) {
    std::string label = Trim(one);
    if (label.empty()) continue;
    if (!seen.insert(label).second) {
      return InvalidArgument("labels", "\"" + label + "\" is there twice", "give each label once");
    }
    labels.push_back(std::move(label));
  }
  if (labels.empty()) {
    return InvalidArgument("labels", "the list of labels is empty",
                           "use --label X, --labels A,B, --labels-file FILE or --classifier FILE");
  }
  return labels;
}

Result<std::vector<std::string>> GatherTemplates(const ClassifyOptions& options) {
  if (!options.templates.empty() && !options.template_set.empty()) {
    return InvalidArgument("templates", "--template and --templates exclude each other");
  }
  for (const std::string& one : options.templates) RETURN_IF_ERROR(CheckTemplate(one));
  if (!options.templates.empty()) return options.templates;
  if (!options.template_set.empty()) return NamedTemplates(options.template_set);
  return std::vector<std::string>{std::string(kDefaultTemplate)};
}

}  // namespace diptych
