// webdataset: tar files whose neighbouring members KEY.jpg, KEY.txt, ... are a sample.
#ifndef DIPTYCH_TRAIN_SHARD_DATASET_H_
#define DIPTYCH_TRAIN_SHARD_DATASET_H_

#include <memory>
#include <string>
#include <vector>

#include "train/dataset.h"

namespace diptych::train {

/// A key is a member's name up to the first dot of its last part. Picture: any picture suffix; captions: .txt, .json;
/// label: .cls, a number. Opening reads the tar headers alone; a sample is then one read of its members' bytes.
class ShardDataset : public Dataset {
 public:
  /// `shards` are paths of tar files, in order.
  static Result<std::unique_ptr<Dataset>> Open(const std::vector<std::string>& shards, const DatasetOptions& options);

  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  std::span<const int64_t> shard_begins() const override { return begins_; }
  Result<Sample> Read(int64_t index) const override;
  std::string NameOf(int64_t index) const override;

 private:
  struct Extent {  // of a sample's members in its shard, headers included
    uint64_t begin;
    uint32_t size;
    uint32_t shard;
  };
  struct Group;

  Status Index(uint32_t shard);
  void Add(const Group& group, uint32_t shard);
  Status ReadLabel(std::string_view text, const std::string& where, Sample* sample) const;

  std::vector<std::string> shards_;
  std::vector<Extent> samples_;
  std::vector<int64_t> begins_;
  std::vector<std::string> templates_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_SHARD_DATASET_H_
