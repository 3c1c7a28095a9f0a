// Scalars for TensorBoard: an event file, TFRecords of tensorflow.Event messages (tensorflow/core/util/event.proto).
#ifndef DIPTYCH_TRAIN_TENSORBOARD_H_
#define DIPTYCH_TRAIN_TENSORBOARD_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/status.h"

namespace diptych::train {

/// CRC-32C (Castagnoli), as TFRecords carry it before masking.
uint32_t Crc32c(std::string_view bytes);

class EventWriter {
 public:
  /// Begins "events.out.tfevents.TIME.HOST.PID" in `folder`. TensorBoard joins the files of a folder, so that a resumed
  /// run begins another one. Errors: it cannot be written.
  static Result<EventWriter> Create(const std::string& folder);

  /// One event with all scalars of a step. Errors: the disk is full.
  Status Write(int64_t step, std::span<const std::pair<std::string, double>> scalars);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  EventWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  Status WriteRecord(std::string_view event);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TENSORBOARD_H_
