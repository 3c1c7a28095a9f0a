#include "apps/train_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "clip/batcher.h"
#include "clip/classifier.h"
#include "train/communicator.h"
#include "train/loss.h"

namespace diptych {
namespace {

using train::Dataset;

constexpr char kTemplate[] = "a photo of a {}";

// "DIR/cifar10-test-{000000..000003}.tar" -> "cifar10-test".
std::string NameOfSet(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  name = name.substr(0, name.find('{'));
  if (const size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0) name.resize(dot);
  const size_t end = name.find_last_not_of("0123456789-_");
  if (end != std::string::npos) name.resize(end + 1);
  return name.empty() ? path : name;
}

std::vector<int64_t> Spread(int64_t size, int64_t limit) {
  const int64_t count = limit == 0 ? size : std::min(size, limit);
  std::vector<int64_t> indices(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) indices[static_cast<size_t>(i)] = i * size / count;
  return indices;
}

// The samples that could be embedded, and their rows.
struct Embedded {
  std::vector<int64_t> indices;
  std::vector<float> rows;  // (count, E)
};

Result<Embedded> EmbedSamples(const Clip& clip, const Dataset& data, const std::vector<int64_t>& indices, int threads,
                              const std::atomic<bool>* stop = nullptr) {
  Embedded result;
  size_t next = 0;
  const auto source = [&]() -> std::optional<PictureRef> {
    if (next == indices.size()) return std::nullopt;
    const int64_t index = indices[next++];
    return PictureRef{.name = data.NameOf(index), .read = [&data, index]() -> Result<std::string> {
                        ASSIGN_OR_RETURN(train::Sample sample, data.Read(index));
                        const bool has_classes = !data.classes().empty();
                        if (has_classes && sample.label < 0) return NotFound(sample.key, "has no class");
                        if (!has_classes && sample.captions.empty()) return NotFound(sample.key, "has no caption");
                        return std::move(sample.picture);
                      }};
  };
  const auto stopped = [stop] { return stop != nullptr && *stop; };
  EmbedPictures(clip, source, {.threads = threads}, [&](const EmbeddedPicture& picture) {
    if (stopped()) return false;
    if (!picture.status.ok()) return true;
    result.indices.push_back(indices[static_cast<size_t>(picture.index)]);
    result.rows.insert(result.rows.end(), picture.embedding.begin(), picture.embedding.end());
    return true;
  });
  if (stopped()) return Cancelled("validation");
  if (result.indices.empty()) return NotFound("--val-data", "holds no picture that can be read");
  return result;
}

float Dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Captions by picture: those of picture i are [first[i], first[i + 1]).
struct Captions {
  std::vector<std::string> texts;
  std::vector<size_t> first = {0};
};

Result<Captions> ReadCaptions(const Dataset& data, const std::vector<int64_t>& indices) {
  Captions captions;
  for (const int64_t index : indices) {
    ASSIGN_OR_RETURN(train::Sample sample, data.Read(index));
    std::move(sample.captions.begin(), sample.captions.end(), std::back_inserter(captions.texts));
    captions.first.push_back(captions.texts.size());
  }
  return captions;
}

// Where the best of `wanted` stands among the columns of a row, from 0: how many others are more similar.
size_t RankOf(const std::vector<float>& row, size_t begin, size_t end) {
  const float best = *std::max_element(row.begin() + static_cast<std::ptrdiff_t>(begin),
                                       row.begin() + static_cast<std::ptrdiff_t>(end));
  size_t rank = 0;
  for (size_t j = 0; j < row.size(); ++j) rank += (j < begin || j >= end) && row[j] > best ? 1 : 0;
  return rank;
}

constexpr size_t kRecallAt[] = {1, 5};

// Hits among the first k, by k.
struct Recall {
  size_t hits[std::size(kRecallAt)] = {};
  size_t asked = 0;

  void Count(size_t rank) {
    for (size_t i = 0; i < std::size(kRecallAt); ++i) hits[i] += rank < kRecallAt[i] ? 1 : 0;
    ++asked;
  }
  void Report(const std::string& name, std::vector<TrainMetric>& metrics) const {
    for (size_t i = 0; i < std::size(kRecallAt); ++i) {
      metrics.push_back({fmt::format("val/recall/{} @{}", name, kRecallAt[i]),
                         static_cast<double>(hits[i]) / static_cast<double>(asked)});
    }
  }
};

// Both directions; every picture has a caption.
void MeasureRecall(const std::string& name, const Embedded& pictures, const std::vector<float>& texts,
                   const Captions& captions, std::vector<TrainMetric>& metrics) {
  const size_t n = pictures.indices.size(), m = captions.texts.size();
  const int64_t e = static_cast<int64_t>(pictures.rows.size() / n);
  const auto similarity = [&](size_t i, size_t j) {
    return Dot(&pictures.rows[i * static_cast<size_t>(e)], &texts[j * static_cast<size_t>(e)], e);
  };
  Recall to_text, to_image;
  std::vector<float> row(m), column(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < m; ++j) row[j] = similarity(i, j);
    to_text.Count(RankOf(row, captions.first[i], captions.first[i + 1]));
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = captions.first[i]; j < captions.first[i + 1]; ++j) {
      for (size_t k = 0; k < n; ++k) column[k] = similarity(k, j);
      to_image.Count(RankOf(column, i, i + 1));
    }
  }
  to_text.Report(name + " image to text", metrics);
  to_image.Report(name + " text to image", metrics);
}

// The mean over batches of each picture with its first caption; a last one that is not full is left out.
double MeanLoss(const Clip& clip, const Embedded& pictures, const std::vector<float>& texts, const Captions& captions,
                int64_t batch) {
  const int64_t n = static_cast<int64_t>(pictures.indices.size()), e = clip.embed_dim();
  batch = std::min(batch, n);
  std::vector<float> first(static_cast<size_t>(batch * e));
  const std::unique_ptr<train::Communicator> alone = train::OneProcess();
  Context context;
  double sum = 0;
  for (int64_t begin = 0; begin + batch <= n; begin += batch) {
    for (int64_t i = 0; i < batch; ++i) {
      const size_t text = captions.first[static_cast<size_t>(begin + i)];
      std::copy_n(&texts[text * static_cast<size_t>(e)], e, &first[static_cast<size_t>(i * e)]);
    }
    train::LossGradients none;
    train::LossOptions options;
    if (clip.config().has_logit_bias) options.kind = train::LossOptions::Kind::kSigmoid;
    sum += train::ContrastiveLoss(context, *alone, options,
                                  {.images = &pictures.rows[static_cast<size_t>(begin * e)],
                                   .texts = first.data(),
                                   .m = batch,
                                   .e = e,
                                   .logit_scale_log = std::log(clip.logit_scale()),
                                   .logit_bias = clip.logit_bias()},
                                  none)
               .loss;
  }
  return sum / static_cast<double>(n / batch);
}

}  // namespace

Result<Validation> Validation::Open(const ValidationOptions& options) {
  Validation validation;
  validation.options_ = options;
  for (const std::string& path : options.data) {
    Set set{.name = NameOfSet(path)};
    ASSIGN_OR_RETURN(set.data, train::OpenDataset({.paths = {path},
                                                   .picture_column = options.picture_column,
                                                   .caption_column = options.caption_column}));
    set.indices = Spread(set.data->size(), options.limit);
    validation.sets_.push_back(std::move(set));
  }
  return validation;
}

Result<std::vector<TrainMetric>> Validation::Measure(const Clip& clip) const {
  std::vector<TrainMetric> metrics;
  for (const Set& set : sets_) {
    RETURN_IF_ERROR(set.data->classes().empty() ? MeasureCaptions(clip, set, metrics)
                                                : MeasureClasses(clip, set, metrics));
  }
  return metrics;
}

Status Validation::MeasureClasses(const Clip& clip, const Set& set, std::vector<TrainMetric>& metrics) const {
  std::vector<std::string> labels;
  for (const train::ClassName& row : set.data->classes()) labels.push_back(row.name);
  Context context(options_.threads);
  const Classifier classifier = MakeClassifier(clip, context, labels, {kTemplate});
  ASSIGN_OR_RETURN(const Embedded pictures,
                   EmbedSamples(clip, *set.data, set.indices, options_.threads, options_.stop));
  const int64_t e = clip.embed_dim();
  size_t right = 0;
  for (size_t i = 0; i < pictures.indices.size(); ++i) {
    const float* row = &pictures.rows[i * static_cast<size_t>(e)];
    std::vector<float> scores(labels.size());
    for (size_t j = 0; j < labels.size(); ++j) {
      scores[j] = Dot(row, &classifier.embeddings[j * static_cast<size_t>(e)], e);
    }
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    ASSIGN_OR_RETURN(const train::Sample sample, set.data->Read(pictures.indices[i]));
    right += best == sample.label ? 1 : 0;
  }
  metrics.push_back(
      {"val/top1/" + set.name, static_cast<double>(right) / static_cast<double>(pictures.indices.size())});
  return Status::Ok();
}

Status Validation::MeasureCaptions(const Clip& clip, const Set& set, std::vector<TrainMetric>& metrics) const {
  ASSIGN_OR_RETURN(const Embedded pictures,
                   EmbedSamples(clip, *set.data, set.indices, options_.threads, options_.stop));
  ASSIGN_OR_RETURN(const Captions captions, ReadCaptions(*set.data, pictures.indices));
  std::vector<float> texts(captions.texts.size() * static_cast<size_t>(clip.embed_dim()));
  Context context(options_.threads);
  clip.EncodeTexts(context, captions.texts, texts.data());
  metrics.push_back({"val/loss/" + set.name, MeanLoss(clip, pictures, texts, captions, options_.loss_batch)});
  MeasureRecall(set.name, pictures, texts, captions, metrics);
  return Status::Ok();
}

Result<SimilarityMatrix> Validation::Sample(const Clip& clip) const {
  constexpr size_t kPairs = 16;
  const auto has_captions = [](const Set& set) { return set.data->classes().empty(); };
  auto set = std::find_if(sets_.begin(), sets_.end(), has_captions);
  if (set == sets_.end()) set = sets_.begin();
  SimilarityMatrix matrix;
  std::set<std::string> seen;
  std::vector<int64_t> indices;
  for (const int64_t index : set->indices) {
    if (indices.size() == kPairs) break;
    ASSIGN_OR_RETURN(const train::Sample sample, set->data->Read(index));
    const bool labelled = sample.label >= 0 && !has_captions(*set);
    const std::string text =
        labelled ? fmt::format("a photo of a {}", set->data->classes()[static_cast<size_t>(sample.label)].name)
        : sample.captions.empty() ? ""
                                  : sample.captions[0];
    if (text.empty() || !seen.insert(text).second) continue;  // a caption twice would have two right answers
    const auto* bytes = reinterpret_cast<const uint8_t*>(sample.picture.data());
    const Result<Image> image = DecodeImage({bytes, sample.picture.size()}, {}, sample.key);
    if (!image.ok()) continue;
    matrix.a.names.push_back(std::to_string(matrix.a.names.size() + 1));
    matrix.a.thumbnails.push_back(Thumbnail(*image));
    matrix.b.names.push_back(text);
    indices.push_back(index);
  }
  ASSIGN_OR_RETURN(Embedded pictures, EmbedSamples(clip, *set->data, indices, options_.threads));
  const size_t n = indices.size(), e = static_cast<size_t>(clip.embed_dim());
  if (pictures.indices.size() != n) return NotFound("--val-data", "changed while it was read");
  matrix.a.embeddings = std::move(pictures.rows);
  matrix.b.embeddings.resize(n * e);
  Context context(options_.threads);
  clip.EncodeTexts(context, matrix.b.names, matrix.b.embeddings.data());
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      matrix.cosine.push_back(Dot(&matrix.a.embeddings[i * e], &matrix.b.embeddings[j * e], static_cast<int64_t>(e)));
    }
  }
  return matrix;
}

}  // namespace diptych
