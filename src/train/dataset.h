// Pictures with their captions, from shards, tables and folders. Opening makes an index; samples are read one by one.
#ifndef DIPTYCH_TRAIN_DATASET_H_
#define DIPTYCH_TRAIN_DATASET_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/status.h"
#include "train/classes.h"
#include "train/skip_counts.h"

namespace diptych::train {

enum class DatasetFormat : uint8_t {
  kAuto,          // by what the path is: see OpenDataset
  kShards,        // webdataset: tar files whose neighbouring members KEY.jpg, KEY.txt, ... are a sample
  kTable,         // rows with a picture's path and its caption
  kCaptions,      // a folder of pictures, X.txt beside X.jpg
  kClassFolders,  // a folder of folders, a class each
};

struct DatasetOptions {
  std::vector<std::string> paths;  // braces are expanded
  DatasetFormat format = DatasetFormat::kAuto;
  // Tables: names of columns; the separator, 0: tab, but comma in a .csv.
  std::string picture_column = "filepath", caption_column = "title";
  char separator = 0;
  /// Captions of samples that have a class and no caption. Empty: "a photo of a {}".
  std::vector<std::string> templates;
  /// Shards: the table of classes that their .cls members count. Empty: the one that FindClasses finds, if any.
  std::string classes;
};

/// As it is in the source, nothing decoded.
struct Sample {
  std::string key;                    // "shard.tar/000017", or the picture's path
  std::string picture;                // encoded bytes
  std::vector<std::string> captions;  // what may be said about it; one is drawn
  int32_t label = -1;                 // row of classes()
};

/// Immutable and thread safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Sources that are read best from front to back: the first sample of each piece, ascending from 0. Empty: any order
  /// is as good as another.
  virtual std::span<const int64_t> shard_begins() const { return {}; }
  /// Errors: this sample cannot be read; others can.
  virtual Result<Sample> Read(int64_t index) const = 0;
  /// How a sample is called in reports, without reading it.
  virtual std::string NameOf(int64_t index) const = 0;

  /// Empty where the source has no classes.
  const std::vector<ClassName>& classes() const { return classes_; }
  /// What was found unusable at opening; it is not part of size().
  const SkipCounts& skipped() const { return skipped_; }

 protected:
  std::vector<ClassName> classes_;
  SkipCounts skipped_;
};

/// A .tar, or a folder with .tar files in it, is shards; .csv, .tsv and .txt are tables; a folder of pictures is
/// kCaptions if any has its .txt, else kClassFolders (class = name of the folder, "_" as a space; in sorted order).
/// Captions are the lines of KEY.txt and "caption" or "captions" of KEY.json, each once. Paths in tables are relative
/// to the table's folder, or, where there is no such file, to the working directory. Errors: a path that does not
/// exist, sources of different kinds, a first header that is not tar's, no sample at all.
Result<std::unique_ptr<Dataset>> OpenDataset(const DatasetOptions& options);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_DATASET_H_
