#include "train/eval_set.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "train/batch_pipeline.h"

namespace diptych::train {
namespace {

struct Row {
  std::string key;
  std::vector<std::vector<int32_t>> captions;
  int32_t label = -1;
  std::optional<SkipReason> skipped;
  std::string problem;
};

struct Slot {
  Tensor pixels;
  std::vector<Row> rows;
  EvalBatch batch;
};

}  // namespace

struct EvalSet::Impl {
  Impl(std::unique_ptr<Dataset> source, const EvalOptions& given, const Tokenizer* text)
      : dataset(std::move(source)),
        options(given),
        tokenizer(text),
        slots(static_cast<size_t>(options.batches_ahead) + 1),
        skipped(dataset->skipped()),
        batches((dataset->size() + options.batch - 1) / options.batch),
        pipeline(
            {.threads = options.threads,
             .slots = static_cast<int>(slots.size()),
             .rows = options.batch,
             .batches = batches},
            [this](int64_t batch, int slot, int64_t row) { MakeRow(batch * options.batch + row, slots[slot], row); }) {
    const int64_t side = options.preprocess.crop;
    for (Slot& slot : slots) {
      slot.pixels = Tensor(DType::kF32, {options.batch, 3, side, side});
      slot.rows.resize(static_cast<size_t>(options.batch));
    }
  }

  int64_t PictureFloats() const { return int64_t{3} * options.preprocess.crop * options.preprocess.crop; }
  void MakeRow(int64_t index, Slot& slot, int64_t row) const;
  void FillRow(int64_t index, Row& row, float* pixels) const;
  void Collect(int64_t first, Slot& slot);

  const std::unique_ptr<Dataset> dataset;
  const EvalOptions options;
  const Tokenizer* const tokenizer;
  std::vector<Slot> slots;
  SkipCounts skipped;
  std::unordered_set<int64_t> counted;  // samples that are in `skipped`
  const int64_t batches;
  BatchPipeline pipeline;  // last: its workers use the others
};

void EvalSet::Impl::MakeRow(int64_t index, Slot& slot, int64_t row) const {
  if (index >= dataset->size()) return;
  FillRow(index, slot.rows[static_cast<size_t>(row)], slot.pixels.mutable_data<float>() + row * PictureFloats());
}

void EvalSet::Impl::FillRow(int64_t index, Row& row, float* pixels) const {
  const auto skip = [&](SkipReason reason, std::string problem) {
    row.skipped = reason;
    row.problem = std::move(problem);
  };
  row.skipped.reset();
  row.captions.clear();
  Result<Sample> sample = dataset->Read(index);
  if (!sample.ok()) return skip(SkipReason::kUnreadable, sample.status().ToString());
  if (options.needs_classes && sample->label < 0) return skip(SkipReason::kNoClass, sample->key);
  if (tokenizer != nullptr && sample->captions.empty()) return skip(SkipReason::kNoCaption, sample->key);
  const Result<Image> image = DecodeImage(
      {reinterpret_cast<const uint8_t*>(sample->picture.data()), sample->picture.size()}, options.decode, sample->key);
  if (!image.ok()) return skip(SkipReason::kBrokenPicture, image.status().ToString());
  Preprocess(*image, options.preprocess, pixels);
  row.key = std::move(sample->key);
  row.label = sample->label;
  if (tokenizer == nullptr) return;
  for (const std::string& caption : sample->captions) {
    row.captions.push_back(tokenizer->Encode(caption));
    if (!options.pad_to_context) continue;
    row.captions.back().resize(static_cast<size_t>(tokenizer->context_length()), tokenizer->pad_id());
  }
}

void EvalSet::Impl::Collect(int64_t first, Slot& slot) {
  EvalBatch& batch = slot.batch;
  batch = EvalBatch();
  float* pixels = slot.pixels.mutable_data<float>();
  const int64_t rows = std::min(options.batch, dataset->size() - first);
  int64_t kept = 0;
  for (int64_t i = 0; i < rows; ++i) {
    Row& row = slot.rows[static_cast<size_t>(i)];
    if (row.skipped) {
      if (counted.insert(first + i).second) skipped.Add(*row.skipped, std::move(row.problem));
      continue;
    }
    if (kept < i) std::copy_n(pixels + i * PictureFloats(), PictureFloats(), pixels + kept * PictureFloats());
    batch.keys.push_back(row.key);
    batch.labels.push_back(row.label);
    for (const std::vector<int32_t>& caption : row.captions) {
      batch.ids.insert(batch.ids.end(), caption.begin(), caption.end());
      batch.lengths.push_back(static_cast<int32_t>(caption.size()));
      batch.pictures.push_back(static_cast<int32_t>(kept));
    }
    ++kept;
  }
  const int64_t side = options.preprocess.crop;
  batch.pixels = TensorView(pixels, DType::kF32, {kept, 3, side, side});
}

Result<std::unique_ptr<EvalSet>> EvalSet::Open(const DatasetOptions& source, const EvalOptions& options,
                                               const Tokenizer* tokenizer) {
  CHECK_GE(options.batch, 1);
  ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, OpenDataset(source));
  if (options.needs_classes && dataset->classes().empty()) {
    return InvalidArgument(source.paths[0], "has no classes",
                           "put NAME.classes.tsv with a column \"name\" beside NAME-000000.tar");
  }
  return std::unique_ptr<EvalSet>(new EvalSet(std::make_unique<Impl>(std::move(dataset), options, tokenizer)));
}

EvalSet::EvalSet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EvalSet::~EvalSet() = default;

const Dataset& EvalSet::dataset() const {
  return *impl_->dataset;
}

const EvalBatch* EvalSet::Next() {
  const int64_t number = impl_->pipeline.batch();
  if (number == impl_->batches) return nullptr;
  Slot& slot = impl_->slots[static_cast<size_t>(impl_->pipeline.Next())];
  impl_->Collect(number * impl_->options.batch, slot);
  return &slot.batch;
}

void EvalSet::Rewind() {
  impl_->pipeline.Seek(0);
}

const SkipCounts& EvalSet::skipped() const {
  return impl_->skipped;
}

Result<std::unique_ptr<EvalSet>> OpenLabelledSet(const std::string& path, EvalOptions options) {
  options.needs_classes = true;
  return EvalSet::Open({.paths = {path}}, options, nullptr);
}

}  // namespace diptych::train
