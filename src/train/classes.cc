#include "train/classes.h"

#include <filesystem>

#include "core/file.h"
#include "text/prompts.h"
#include "train/delimited.h"

namespace diptych::train {

namespace fs = std::filesystem;

Result<std::vector<ClassName>> ReadClasses(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  DelimitedReader reader(text, '\t');
  std::vector<std::string> header, row;
  const auto next = [&](std::vector<std::string>* fields) -> Result<bool> {
    Result<bool> any = reader.Next(fields);
    return any.ok() ? any : Result<bool>(any.status().Within(path));
  };
  ASSIGN_OR_RETURN(bool any, next(&header));
  const auto name = FindColumn(header, "name"), phrase = FindColumn(header, "phrase");
  const auto label = FindColumn(header, "label");
  if (!name) return Corrupt(path, "has no column \"name\"", "its first line must name tab-separated columns");
  std::vector<ClassName> classes;
  while (true) {
    ASSIGN_OR_RETURN(any, next(&row));
    if (!any) break;
    const auto at = [&](std::optional<size_t> column) {
      return column && *column < row.size() ? row[*column] : std::string();
    };
    const std::string line = path + ": line " + std::to_string(reader.line());
    if (at(name).empty()) return Corrupt(line, "a class without a name");
    if (label && at(label) != std::to_string(classes.size())) {
      return Corrupt(line, "label \"" + at(label) + "\" where " + std::to_string(classes.size()) + " comes next");
    }
    classes.push_back({at(name), at(phrase)});
  }
  if (classes.empty()) return Corrupt(path, "names no classes");
  return classes;
}

std::string FindClasses(const std::string& shard) {
  const fs::path path(shard);
  std::string stem = path.stem().string();
  std::error_code ignored;
  while (true) {
    const fs::path table = path.parent_path() / (stem.empty() ? "classes.tsv" : stem + ".classes.tsv");
    if (fs::is_regular_file(table, ignored)) return table.string();
    if (stem.empty()) return "";
    const size_t dash = stem.rfind('-');
    stem.resize(dash == std::string::npos ? 0 : dash);
  }
}

std::vector<std::string> FillTemplates(std::span<const std::string> templates, const std::string& name) {
  std::vector<std::string> texts;
  for (const std::string& one : templates) texts.push_back(FillTemplate(one, name));
  return texts;
}

}  // namespace diptych::train
