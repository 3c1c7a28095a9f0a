#include "train/loader.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/rng.h"
#include "train/batch_pipeline.h"
#include "train/order.h"
#include "train/replacement.h"

namespace diptych::train {
namespace {

constexpr int64_t kMaxTries = 1000;  // of samples for one row

using Order = std::vector<uint32_t>;

struct Skip {
  int64_t index;
  SkipReason reason;
  std::string name;
};

// What a worker leaves beside a row's pixels.
struct Row {
  std::string key, caption;
  std::vector<int32_t> ids;
  int32_t label = -1;
  std::vector<Skip> skips;
  Status status;  // an error ends the run
};

struct Slot {
  TrainBatch batch;
  std::vector<Row> rows;
};

Status CheckOptions(const Dataset& dataset, const LoaderOptions& options) {
  CHECK(options.rank >= 0 && options.rank < options.ranks) << options.rank << " of " << options.ranks;
  const std::string batch = std::to_string(options.batch), size = std::to_string(dataset.size());
  if (options.batch < 1) return InvalidArgument("", "a batch of " + batch + " pairs");
  if (options.batch > dataset.size()) {
    return InvalidArgument("", "a batch of " + batch + " pairs is larger than the data set, which has " + size,
                           "use a smaller batch or more data");
  }
  if (options.batch % options.ranks != 0) {
    return InvalidArgument("", "a batch of " + batch + " pairs cannot be shared equally by " +
                                   std::to_string(options.ranks) + " processes");
  }
  return CheckAugmentOptions(options.augment);
}

}  // namespace

struct Loader::Impl {
  Impl(std::unique_ptr<Dataset> source, const LoaderOptions& given, const Tokenizer& text)
      : dataset(std::move(source)),
        options(given),
        tokenizer(text),
        steps_per_epoch(dataset->size() / options.batch),
        local_rows(options.batch / options.ranks),
        slots(static_cast<size_t>(options.batches_ahead) + 1),
        skipped(dataset->skipped()),
        pipeline({.threads = options.threads,
                  .slots = static_cast<int>(slots.size()),
                  .rows = local_rows,
                  .batches = std::numeric_limits<int64_t>::max()},
                 [this](int64_t step, int slot, int64_t row) { MakeRow(step, slots[slot], row); }) {
    const int64_t side = options.preprocess.crop;
    for (Slot& slot : slots) {
      slot.batch.pixels = Tensor(DType::kF32, {local_rows, 3, side, side});
      slot.rows.resize(static_cast<size_t>(local_rows));
    }
  }

  std::shared_ptr<const Order> OrderOf(int64_t epoch);
  void MakeRow(int64_t step, Slot& slot, int64_t row);
  std::optional<Skip> TrySample(int64_t epoch, int64_t index, Row& row, float* pixels) const;
  Status Collect(Slot& slot);

  const std::unique_ptr<Dataset> dataset;
  const LoaderOptions options;
  const Tokenizer& tokenizer;
  const int64_t steps_per_epoch;
  const int64_t local_rows;
  std::vector<Slot> slots;
  SkipCounts skipped;
  std::unordered_map<int64_t, SkipReason> met;  // of `skipped`, what the workers met

  std::mutex mutex;
  std::deque<std::pair<int64_t, std::shared_ptr<const Order>>> orders;  // of the last two epochs that were asked for

  BatchPipeline pipeline;  // last: its workers use the others
};

std::shared_ptr<const Order> Loader::Impl::OrderOf(int64_t epoch) {
  const std::lock_guard lock(mutex);  // others wait: they need the same order
  for (const auto& [number, order] : orders) {
    if (number == epoch) return order;
  }
  auto order = std::make_shared<const Order>(EpochOrder(*dataset, options.seed, epoch, options.shuffle_buffer));
  if (orders.size() == 2) orders.pop_front();
  orders.emplace_back(epoch, order);
  return order;
}

void Loader::Impl::MakeRow(int64_t step, Slot& slot, int64_t local_row) {
  const int64_t epoch = step / steps_per_epoch;
  const std::shared_ptr<const Order> order = OrderOf(epoch);
  const RowPlace place{.first = step % steps_per_epoch * options.batch,
                       .batch = options.batch,
                       .row = options.rank * local_rows + local_row,
                       .size = dataset->size()};
  Row& row = slot.rows[static_cast<size_t>(local_row)];
  row.skips.clear();
  row.status = Status::Ok();
  const int64_t side = options.preprocess.crop;
  float* pixels = slot.batch.pixels.mutable_data<float>() + local_row * 3 * side * side;
  for (int64_t k = 0; k < kMaxTries; ++k) {
    const std::optional<int64_t> position = CandidateOf(place, k);
    if (!position) break;
    std::optional<Skip> skip = TrySample(epoch, (*order)[static_cast<size_t>(*position)], row, pixels);
    if (!skip) return;
    row.skips.push_back(std::move(*skip));
  }
  row.status = Corrupt("", std::to_string(row.skips.size()) + " samples in a row could not be used",
                       "the last one: " + row.skips.back().name);
}

std::optional<Skip> Loader::Impl::TrySample(int64_t epoch, int64_t index, Row& row, float* pixels) const {
  const auto skip = [&](SkipReason reason, std::string name) { return Skip{index, reason, std::move(name)}; };
  Result<Sample> sample = dataset->Read(index);
  if (!sample.ok()) return skip(SkipReason::kUnreadable, sample.status().ToString());
  if (sample->captions.empty()) return skip(SkipReason::kNoCaption, sample->key);
  const Result<Image> image = DecodeImage(
      {reinterpret_cast<const uint8_t*>(sample->picture.data()), sample->picture.size()}, options.decode, sample->key);
  if (!image.ok()) return skip(SkipReason::kBrokenPicture, image.status().ToString());

  const auto rng = [&](const char* name) {
    return Rng(DeriveSeed(options.seed, StreamOf(name), static_cast<uint64_t>(epoch)), static_cast<uint64_t>(index));
  };
  Rng view = rng("view"), caption = rng("caption");
  Normalize(AugmentToRgb8(*image, options.preprocess, options.augment, view), options.preprocess, pixels);
  row.key = std::move(sample->key);
  row.label = sample->label;
  row.caption = std::move(sample->captions[caption.Below(sample->captions.size())]);
  row.ids = tokenizer.Encode(row.caption);
  if (options.pad_to_context) row.ids.resize(static_cast<size_t>(tokenizer.context_length()), tokenizer.pad_id());
  return std::nullopt;
}

// What the workers left, in order of rows.
Status Loader::Impl::Collect(Slot& slot) {
  TrainBatch& batch = slot.batch;
  batch.keys.clear();
  batch.ids.clear();
  batch.lengths.clear();
  batch.captions.clear();
  batch.labels.clear();
  for (Row& row : slot.rows) {
    for (Skip& skip : row.skips) {
      if (met.emplace(skip.index, skip.reason).second) skipped.Add(skip.reason, std::move(skip.name));
    }
    RETURN_IF_ERROR(row.status);
    batch.keys.push_back(row.key);
    batch.ids.insert(batch.ids.end(), row.ids.begin(), row.ids.end());
    batch.lengths.push_back(static_cast<int32_t>(row.ids.size()));
    batch.captions.push_back(row.caption);
    batch.labels.push_back(row.label);
  }
  return Status::Ok();
}

Result<std::unique_ptr<Loader>> Loader::Open(const DatasetOptions& source, const LoaderOptions& options,
                                             const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, OpenDataset(source));
  RETURN_IF_ERROR(CheckOptions(*dataset, options));
  return std::unique_ptr<Loader>(new Loader(std::make_unique<Impl>(std::move(dataset), options, tokenizer)));
}

Loader::Loader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loader::~Loader() = default;

const Dataset& Loader::dataset() const {
  return *impl_->dataset;
}

int64_t Loader::steps_per_epoch() const {
  return impl_->steps_per_epoch;
}

int64_t Loader::step() const {
  return impl_->pipeline.batch();
}

Result<const TrainBatch*> Loader::Next() {
  Slot& slot = impl_->slots[static_cast<size_t>(impl_->pipeline.Next())];
  RETURN_IF_ERROR(impl_->Collect(slot));
  return &slot.batch;
}

void Loader::Seek(int64_t step) {
  impl_->pipeline.Seek(step);
}

const SkipCounts& Loader::skipped() const {
  return impl_->skipped;
}

SkipCounts Loader::SkippedInJob(Communicator& communicator) const {
  struct Met {
    int64_t index;
    SkipReason reason;
  };
  std::vector<Met> mine;
  for (const auto& [index, reason] : impl_->met) mine.push_back({index, reason});
  const std::string_view bytes(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(Met));
  std::map<int64_t, SkipReason> of_others;  // the order of an epoch may give a sample to several processes
  for (const std::string& theirs : GatherStrings(communicator, bytes)) {
    for (size_t at = 0; at < theirs.size(); at += sizeof(Met)) {
      Met met;
      std::memcpy(&met, theirs.data() + at, sizeof met);
      if (!impl_->met.contains(met.index)) of_others[met.index] = met.reason;
    }
  }
  SkipCounts all = impl_->skipped;
  for (const auto& [index, reason] : of_others) all.Add(reason, impl_->dataset->NameOf(index));
  return all;
}

}  // namespace diptych::train
