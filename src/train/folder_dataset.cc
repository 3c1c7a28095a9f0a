#include "train/folder_dataset.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/file.h"
#include "image/picture_files.h"
#include "train/captions.h"

namespace diptych::train {
namespace {

namespace fs = std::filesystem;

// The folders in `root` that are not hidden, by name.
Result<std::map<std::string, std::string>> ListFolders(const std::string& root) {
  std::map<std::string, std::string> folders;
  std::error_code error, ignored;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(".") && it->is_directory(ignored)) folders.emplace(name, it->path().string());
  }
  if (error) return IoError(root, "cannot be listed: " + error.message());
  return folders;
}

}  // namespace

std::string CaptionFileOf(const std::string& picture) {
  return fs::path(picture).replace_extension(".txt").string();
}

Result<std::unique_ptr<Dataset>> FolderDataset::OpenCaptions(const std::vector<std::string>& folders) {
  auto dataset = std::make_unique<FolderDataset>();
  std::vector<std::string> pictures;
  for (const std::string& folder : folders) RETURN_IF_ERROR(ListPictures(folder, pictures));
  std::error_code ignored;
  for (std::string& picture : pictures) {
    if (fs::is_regular_file(CaptionFileOf(picture), ignored)) {
      dataset->pictures_.push_back({std::move(picture), -1});
    } else {
      dataset->skipped_.Add(SkipReason::kNoCaption, std::move(picture));
    }
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Result<std::unique_ptr<Dataset>> FolderDataset::OpenClasses(const std::vector<std::string>& folders,
                                                            const DatasetOptions& options) {
  auto dataset = std::make_unique<FolderDataset>();
  dataset->templates_ = options.templates;
  std::map<std::string, std::vector<std::string>> by_class;
  for (const std::string& root : folders) {
    ASSIGN_OR_RETURN(const auto subfolders, ListFolders(root));
    for (const auto& [name, path] : subfolders) RETURN_IF_ERROR(ListPictures(path, by_class[name]));
  }
  for (auto& [folder, pictures] : by_class) {
    if (pictures.empty()) continue;
    std::string name = folder;
    std::replace(name.begin(), name.end(), '_', ' ');
    const int32_t label = static_cast<int32_t>(dataset->classes_.size());
    dataset->classes_.push_back({.name = std::move(name)});
    for (std::string& picture : pictures) dataset->pictures_.push_back({std::move(picture), label});
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Result<Sample> FolderDataset::Read(int64_t index) const {
  const Picture& picture = pictures_[static_cast<size_t>(index)];
  Sample sample{.key = picture.path, .label = picture.label};
  ASSIGN_OR_RETURN(sample.picture, ReadFile(picture.path));
  if (picture.label >= 0) {
    sample.captions = FillTemplates(templates_, classes_[static_cast<size_t>(picture.label)].name);
  } else {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(CaptionFileOf(picture.path), kMaxCaptionBytes));
    AddCaptions(text, &sample.captions);
  }
  return sample;
}

}  // namespace diptych::train
