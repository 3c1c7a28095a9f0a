#include "train/dataset.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/braces.h"
#include "image/picture_files.h"
#include "text/prompts.h"
#include "train/folder_dataset.h"
#include "train/shard_dataset.h"
#include "train/table_dataset.h"

namespace diptych::train {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

// The .tar files in a folder, in order.
Result<Paths> ListShards(const std::string& folder) {
  Paths shards;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".tar") shards.push_back(it->path().string());
  }
  if (error) return IoError(folder, "cannot be listed: " + error.message());
  std::sort(shards.begin(), shards.end());
  return shards;
}

Result<DatasetFormat> FolderFormat(const std::string& folder) {
  ASSIGN_OR_RETURN(const Paths shards, ListShards(folder));
  if (!shards.empty()) return DatasetFormat::kShards;
  Paths pictures;
  RETURN_IF_ERROR(ListPictures(folder, pictures));
  std::error_code ignored;
  for (const std::string& picture : pictures) {
    if (fs::is_regular_file(CaptionFileOf(picture), ignored)) return DatasetFormat::kCaptions;
  }
  return DatasetFormat::kClassFolders;
}

Result<DatasetFormat> FormatOf(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return FolderFormat(path);
  const std::string suffix = fs::path(path).extension().string();
  if (suffix == ".tar") return DatasetFormat::kShards;
  if (suffix == ".csv" || suffix == ".tsv" || suffix == ".txt") return DatasetFormat::kTable;
  return InvalidArgument(path, "is no kind of data set that is known by its name",
                         "give .tar shards, a .csv or .tsv table or a folder, or say which format it has");
}

// Folders among shards become the shards in them.
Result<Paths> ExpandFolders(const Paths& paths) {
  Paths shards;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      shards.push_back(path);
      continue;
    }
    ASSIGN_OR_RETURN(const Paths inside, ListShards(path));
    if (inside.empty()) return NotFound(path, "the folder holds no .tar files");
    shards.insert(shards.end(), inside.begin(), inside.end());
  }
  return shards;
}

Result<std::unique_ptr<Dataset>> OpenAs(DatasetFormat format, const Paths& paths, const DatasetOptions& options) {
  switch (format) {
    case DatasetFormat::kShards: {
      ASSIGN_OR_RETURN(const Paths shards, ExpandFolders(paths));
      return ShardDataset::Open(shards, options);
    }
    case DatasetFormat::kTable: return TableDataset::Open(paths, options);
    case DatasetFormat::kCaptions: return FolderDataset::OpenCaptions(paths);
    case DatasetFormat::kClassFolders: return FolderDataset::OpenClasses(paths, options);
    case DatasetFormat::kAuto: break;
  }
  return InvalidArgument("", "no format");
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenDataset(const DatasetOptions& given) {
  DatasetOptions options = given;
  if (options.templates.empty()) options.templates = {std::string(kDefaultTemplate)};
  for (const std::string& one : options.templates) RETURN_IF_ERROR(CheckTemplate(one));
  Paths paths;
  for (const std::string& pattern : options.paths) {
    ASSIGN_OR_RETURN(const Paths names, ExpandBraces(pattern));
    paths.insert(paths.end(), names.begin(), names.end());
  }
  if (paths.empty()) return InvalidArgument("", "no training data was given");
  DatasetFormat format = options.format;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return NotFound(path, "no such file or folder");
    if (options.format != DatasetFormat::kAuto) continue;
    ASSIGN_OR_RETURN(const DatasetFormat found, FormatOf(path));
    if (format != DatasetFormat::kAuto && format != found) {
      return InvalidArgument(path, "is another kind of data set than " + paths[0], "give sources of one kind");
    }
    format = found;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, OpenAs(format, paths, options));
  if (dataset->size() == 0) {
    const std::string skipped = dataset->skipped().ToString();
    return InvalidArgument(paths[0], "the data set is empty",
                           skipped.empty() ? "pictures need captions or classes" : "skipped: " + skipped);
  }
  if (dataset->size() > std::numeric_limits<uint32_t>::max()) {
    return LimitExceeded(paths[0], "more than 4,294,967,295 samples");
  }
  return dataset;
}

}  // namespace diptych::train
