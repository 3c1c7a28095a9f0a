// Folders of pictures: X.txt beside X.jpg, or a folder a class.
#ifndef DIPTYCH_TRAIN_FOLDER_DATASET_H_
#define DIPTYCH_TRAIN_FOLDER_DATASET_H_

#include <memory>
#include <string>
#include <vector>

#include "train/dataset.h"

namespace diptych::train {

class FolderDataset : public Dataset {
 public:
  /// The pictures under each folder that have their .txt; the others are counted.
  static Result<std::unique_ptr<Dataset>> OpenCaptions(const std::vector<std::string>& folders);
  /// The pictures under each folder's subfolders. Classes of the same name are one; a folder without pictures is none.
  static Result<std::unique_ptr<Dataset>> OpenClasses(const std::vector<std::string>& folders,
                                                      const DatasetOptions& options);

  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  Result<Sample> Read(int64_t index) const override;
  std::string NameOf(int64_t index) const override { return pictures_[static_cast<size_t>(index)].path; }

 private:
  struct Picture {
    std::string path;
    int32_t label;  // -1: its captions are beside it
  };
  std::vector<Picture> pictures_;
  std::vector<std::string> templates_;
};

/// X.txt of X.jpg, whether there is one or not.
std::string CaptionFileOf(const std::string& picture);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_FOLDER_DATASET_H_
