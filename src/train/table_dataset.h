// A table of pictures and captions, as open_clip's --dataset-type csv.
#ifndef DIPTYCH_TRAIN_TABLE_DATASET_H_
#define DIPTYCH_TRAIN_TABLE_DATASET_H_

#include <memory>
#include <string>
#include <vector>

#include "train/dataset.h"

namespace diptych::train {

/// The index is where each row lies; the row is read again with its picture.
class TableDataset : public Dataset {
 public:
  static Result<std::unique_ptr<Dataset>> Open(const std::vector<std::string>& tables, const DatasetOptions& options);

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  Result<Sample> Read(int64_t index) const override;
  std::string NameOf(int64_t index) const override;

 private:
  struct Table {
    std::string path;
    char separator = '\t';
    size_t picture = 0, caption = 0;  // columns
  };
  struct Row {
    uint64_t begin;
    uint32_t size;
    uint32_t table;
  };

  Status Index(Table table, const DatasetOptions& options);

  std::vector<Table> tables_;
  std::vector<Row> rows_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TABLE_DATASET_H_
