#include "train/table_dataset.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "train/captions.h"
#include "train/delimited.h"

namespace diptych::train {
namespace {

namespace fs = std::filesystem;

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.substr(0, 200);
}

std::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<std::unique_ptr<Dataset>> TableDataset::Open(const std::vector<std::string>& tables,
                                                    const DatasetOptions& options) {
  auto dataset = std::make_unique<TableDataset>();
  for (const std::string& path : tables) {
    const bool is_csv = fs::path(path).extension() == ".csv";
    Table table{.path = path, .separator = is_csv ? ',' : '\t'};
    if (options.separator != 0) table.separator = options.separator;
    RETURN_IF_ERROR(dataset->Index(std::move(table), options).Within(path));
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status TableDataset::Index(Table table, const DatasetOptions& options) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(table.path));
  DelimitedReader reader(Text(file->bytes()), table.separator);
  std::vector<std::string> fields;
  ASSIGN_OR_RETURN(bool any, reader.Next(&fields));
  const auto picture = FindColumn(fields, options.picture_column), caption = FindColumn(fields, options.caption_column);
  if (!picture || !caption) {
    const std::string separator = table.separator == '\t' ? "tabs" : std::string("'") + table.separator + "'";
    return InvalidArgument(
        "", "has no column \"" + (picture ? options.caption_column : options.picture_column) + "\"",
        "split at " + separator + " its columns are: " + Joined(fields) + "; name the columns or another separator");
  }
  table.picture = *picture;
  table.caption = *caption;
  const uint32_t number = static_cast<uint32_t>(tables_.size());
  while (true) {
    ASSIGN_OR_RETURN(any, reader.Next(&fields));
    if (!any) break;
    const std::string where = fs::path(table.path).filename().string() + " line " + std::to_string(reader.line());
    if (fields.size() <= std::max(table.picture, table.caption)) {
      skipped_.Add(SkipReason::kBadRow, where + ": " + std::to_string(fields.size()) + " fields");
    } else if (Trimmed(fields[table.picture]).empty()) {
      skipped_.Add(SkipReason::kNoPicture, where);
    } else if (Trimmed(fields[table.caption]).empty()) {
      skipped_.Add(SkipReason::kNoCaption, where);
    } else {
      const size_t begin = reader.row_begin();
      rows_.push_back({begin, static_cast<uint32_t>(reader.row_end() - begin), number});
    }
  }
  tables_.push_back(std::move(table));
  return Status::Ok();
}

Result<Sample> TableDataset::Read(int64_t index) const {
  const Row& row = rows_[static_cast<size_t>(index)];
  const Table& table = tables_[row.table];
  ASSIGN_OR_RETURN(const std::string bytes, ReadFileRange(table.path, row.begin, row.size));
  DelimitedReader reader(bytes, table.separator);
  std::vector<std::string> fields;
  ASSIGN_OR_RETURN(const bool any, reader.Next(&fields));
  if (!any || fields.size() <= std::max(table.picture, table.caption)) {
    return Corrupt(NameOf(index), "the table has changed since it was opened");
  }
  Sample sample{.key = std::string(Trimmed(fields[table.picture]))};
  AddCaptions(fields[table.caption], &sample.captions);
  std::string path = (fs::path(table.path).parent_path() / sample.key).string();  // of an absolute path, that path
  std::error_code ignored;
  if (!fs::exists(path, ignored)) path = sample.key;
  ASSIGN_OR_RETURN(sample.picture, ReadFile(path));
  return sample;
}

std::string TableDataset::NameOf(int64_t index) const {
  const Row& row = rows_[static_cast<size_t>(index)];
  return fs::path(tables_[row.table].path).filename().string() + " at byte " + std::to_string(row.begin);
}

}  // namespace diptych::train
