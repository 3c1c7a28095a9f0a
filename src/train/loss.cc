#include "train/loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/exp_sums.h"
#include "kernels/parallel.h"
#include "kernels/products/matmul.h"

namespace diptych::train {
namespace {

constexpr int64_t kPieceFloats = int64_t{1} << 21;

// What the softmax of each image over all texts, or of each text over all images, leaves behind: enough to know its
// probabilities from the logits alone, also where another process computed it. Fields that an option needs; null else.
struct Anchors {
  float* log_sums = nullptr;          // of exp(z)
  float* teacher_log_sums = nullptr;  // the same of the teacher's logits
  float* hard_log_sums = nullptr;     // of exp((1 + beta) z) over negatives
  float* weight_log_sums = nullptr;   // of exp(beta z) over negatives
  float* negative_shares = nullptr;   // of the denominator
};

// One of the two directions: a process's own rows against everyone's rows of the other modality.
struct Side {
  const float* own = nullptr;          // (M, E)
  const float* all = nullptr;          // (N, E), of the other modality
  const float* teacher_own = nullptr;  // (M, K)
  const float* teacher_all = nullptr;  // (N, K)
  Anchors own_anchors;                 // (M)
  Anchors all_anchors;                 // (N), of the other modality
};

struct Sums {
  double contrastive = 0;
  double distillation = 0;
  double correct = 0;

  Sums& operator+=(const Sums& other) {
    contrastive += other.contrastive;
    distillation += other.distillation;
    correct += other.correct;
    return *this;
  }
};

double Softplus(float x) {
  return static_cast<double>(std::max(x, 0.0f)) + static_cast<double>(std::log1p(std::exp(-std::abs(x))));
}

double LogAdd(double a, double b) {
  const double largest = std::max(a, b);
  return largest + std::log(std::exp(a - largest) + std::exp(b - largest));
}

// Over all but `skip`.
double LogSumExpWithout(const float* z, int64_t n, int64_t skip, float factor) {
  const double before = kernels::LogSumExp(z, skip, factor);
  const double behind = kernels::LogSumExp(z + skip + 1, n - skip - 1, factor);
  return skip == 0 ? behind : skip == n - 1 ? before : LogAdd(before, behind);
}

bool IsFirst(const float* z, int64_t n, int64_t own) {
  for (int64_t j = 0; j < n; ++j) {
    if (z[j] > z[own] || (z[j] == z[own] && j < own)) return false;
  }
  return true;
}

class Pass {
 public:
  Pass(Context& context, Communicator& communicator, const LossOptions& options, const LossInput& input)
      : context_(context),
        communicator_(communicator),
        options_(options),
        input_(input),
        n_(input.m * communicator.size()),
        first_(input.m * communicator.rank()),
        scale_(std::exp(input.logit_scale_log)),
        beta_(static_cast<float>(options.hard_negatives)),
        rows_(std::clamp<int64_t>(kPieceFloats / n_, 1, input.m)) {}

  LossResult Run(LossGradients& gradients);

 private:
  bool has_teacher() const { return input_.teacher_images != nullptr; }
  bool is_softmax() const { return options_.kind == LossOptions::Kind::kSoftmax; }
  bool is_hard() const { return is_softmax() && beta_ > 0 && n_ > 1; }

  template <class T>
  T* Gather(T* mine, int64_t count);
  Anchors AllocateAnchors();
  Anchors GatherAnchors(const Anchors& mine);
  // Calls f(row, logits, teacher's logits) for every row of a side, on all threads, and after each piece of rows
  // done(first row, rows).
  template <class F, class Done>
  void ForRows(const Side& side, const F& f, const Done& done);

  Sums Measure(const Side& side);
  double MeasureAnchor(const Side& side, int64_t row, const float* z) const;
  void Differentiate(const Side& side, float* gradient, LossGradients* scalars);
  void RowGradient(const Side& side, int64_t row, const float* z, const float* teacher, float* dz) const;
  void AddSoftmaxSlopes(const Side& side, int64_t row, const float* z, float weight, float* dz) const;
  void AddHardSlopes(const Side& side, int64_t row, const float* z, float weight, float* dz) const;

  Context& context_;
  Communicator& communicator_;
  const LossOptions& options_;
  const LossInput& input_;
  const int64_t n_;      // N
  const int64_t first_;  // where this process's rows begin among all
  const float scale_, beta_;
  const int64_t rows_;  // of a piece of logits
};

template <class T>
T* Pass::Gather(T* mine, int64_t count) {
  if (communicator_.size() == 1 || mine == nullptr) return mine;
  auto* all = context_.arena().Allocate<std::remove_const_t<T>>(count * communicator_.size());
  communicator_.AllGather(mine, static_cast<size_t>(count) * sizeof(T), all);
  return all;
}

Anchors Pass::AllocateAnchors() {
  const auto allocate = [&](bool wanted) { return wanted ? context_.arena().Allocate<float>(input_.m) : nullptr; };
  return {.log_sums = allocate(is_softmax() || has_teacher()),
          .teacher_log_sums = allocate(has_teacher()),
          .hard_log_sums = allocate(is_hard()),
          .weight_log_sums = allocate(is_hard()),
          .negative_shares = allocate(is_hard())};
}

Anchors Pass::GatherAnchors(const Anchors& mine) {
  return {.log_sums = Gather(mine.log_sums, input_.m),
          .teacher_log_sums = Gather(mine.teacher_log_sums, input_.m),
          .hard_log_sums = Gather(mine.hard_log_sums, input_.m),
          .weight_log_sums = Gather(mine.weight_log_sums, input_.m),
          .negative_shares = Gather(mine.negative_shares, input_.m)};
}

template <class F, class Done>
void Pass::ForRows(const Side& side, const F& f, const Done& done) {
  const Arena::Scope scope(context_.arena());
  float* z = context_.arena().Allocate<float>(rows_ * n_);
  float* teacher = has_teacher() ? context_.arena().Allocate<float>(rows_ * n_) : nullptr;
  for (int64_t begin = 0; begin < input_.m; begin += rows_) {
    const int64_t count = std::min(rows_, input_.m - begin);
    const auto multiply = [&](const float* own, const float* all, int64_t k, float* c) {
      kernels::MatMul(context_,
                      {.m = count, .n = n_, .k = k, .a = own + begin * k, .b = all, .transpose_b = true, .c = c});
    };
    multiply(side.own, side.all, input_.e, z);
    if (has_teacher()) multiply(side.teacher_own, side.teacher_all, input_.teacher_k, teacher);
    const int64_t grain = std::max<int64_t>(1, 4096 / n_);
    kernels::ParallelFor(context_, count, grain, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        float* row_z = z + row * n_;
        for (int64_t j = 0; j < n_; ++j) row_z[j] = row_z[j] * scale_ + input_.logit_bias;
        float* row_teacher = has_teacher() ? teacher + row * n_ : nullptr;
        for (int64_t j = 0; has_teacher() && j < n_; ++j) row_teacher[j] *= input_.teacher_scale;
        f(begin + row, row_z, row_teacher);
      }
    });
    done(begin, count);
  }
}

// The contrastive loss of one row of logits, and what its anchor leaves behind.
double Pass::MeasureAnchor(const Side& side, int64_t row, const float* z) const {
  const int64_t own = first_ + row;
  const Anchors& anchors = side.own_anchors;
  if (anchors.log_sums != nullptr) anchors.log_sums[row] = static_cast<float>(kernels::LogSumExp(z, n_, 1));
  if (!is_softmax()) {
    double sum = 0;
    for (int64_t j = 0; j < n_; ++j) sum += Softplus(j == own ? -z[j] : z[j]);
    return sum;
  }
  const double positive = z[own];
  if (!is_hard()) return kernels::LogSumExp(z, n_, 1) - positive;
  const double hard = LogSumExpWithout(z, n_, own, 1 + beta_);
  const double weights = LogSumExpWithout(z, n_, own, beta_);
  const double negatives = std::log(static_cast<double>(n_ - 1)) + hard - weights;
  const double denominator = LogAdd(positive, negatives);
  anchors.hard_log_sums[row] = static_cast<float>(hard);
  anchors.weight_log_sums[row] = static_cast<float>(weights);
  anchors.negative_shares[row] = static_cast<float>(std::exp(negatives - denominator));
  return denominator - positive;
}

Sums Pass::Measure(const Side& side) {
  const Arena::Scope scope(context_.arena());
  Sums* rows = context_.arena().Allocate<Sums>(input_.m);
  const auto measure = [&](int64_t row, const float* z, const float* teacher) {
    rows[row] = {.contrastive = MeasureAnchor(side, row, z), .correct = IsFirst(z, n_, first_ + row) ? 1.0 : 0.0};
    if (teacher == nullptr) return;
    const auto log_sum = static_cast<float>(kernels::LogSumExp(teacher, n_, 1));
    side.own_anchors.teacher_log_sums[row] = log_sum;
    double expected = 0;  // of z under the teacher
    for (int64_t j = 0; j < n_; ++j) expected += static_cast<double>(std::exp(teacher[j] - log_sum) * z[j]);
    rows[row].distillation = static_cast<double>(side.own_anchors.log_sums[row]) - expected;
  };
  ForRows(side, measure, [](int64_t, int64_t) {});
  Sums sums;
  for (int64_t row = 0; row < input_.m; ++row) sums += rows[row];
  return sums;
}

// Of the cross-entropies: each logit is in the softmax of its row's anchor and in that of its column's.
void Pass::AddSoftmaxSlopes(const Side& side, int64_t row, const float* z, float weight, float* dz) const {
  kernels::AddExp({.weight = weight, .shift = side.own_anchors.log_sums[row]}, z, n_, dz);
  kernels::AddExp({.weight = weight, .shifts = side.all_anchors.log_sums}, z, n_, dz);
}

// The same with hard negatives: share * ((1 + beta) softmax of (1 + beta) z - beta softmax of beta z) over negatives.
void Pass::AddHardSlopes(const Side& side, int64_t row, const float* z, float weight, float* dz) const {
  const Anchors& own = side.own_anchors;
  const Anchors& all = side.all_anchors;
  const float share = weight * own.negative_shares[row];
  const float hard = 1 + beta_;
  kernels::AddExp({.weight = hard * share, .factor = hard, .shift = own.hard_log_sums[row]}, z, n_, dz);
  kernels::AddExp({.weight = -beta_ * share, .factor = beta_, .shift = own.weight_log_sums[row]}, z, n_, dz);
  kernels::AddExp(
      {.weight = hard * weight, .weights = all.negative_shares, .factor = hard, .shifts = all.hard_log_sums}, z, n_,
      dz);
  kernels::AddExp(
      {.weight = -beta_ * weight, .weights = all.negative_shares, .factor = beta_, .shifts = all.weight_log_sums}, z,
      n_, dz);
}

// dz (N) = exp(logit_scale_log) * the loss's gradient in z.
void Pass::RowGradient(const Side& side, int64_t row, const float* z, const float* teacher, float* dz) const {
  const int64_t own = first_ + row;
  const double n = static_cast<double>(n_);
  const auto weight =
      static_cast<float>(static_cast<double>(scale_) * options_.contrastive_weight / (is_softmax() ? 2 * n : n));
  std::fill_n(dz, n_, 0.0f);
  if (is_hard()) {
    AddHardSlopes(side, row, z, weight, dz);
    dz[own] = -weight * (side.own_anchors.negative_shares[row] + side.all_anchors.negative_shares[own]);
  } else if (is_softmax()) {
    AddSoftmaxSlopes(side, row, z, weight, dz);
    dz[own] -= 2 * weight;
  } else {
    for (int64_t j = 0; j < n_; ++j) dz[j] = weight / (1 + std::exp(-z[j]));
    dz[own] -= weight;
  }
  if (teacher == nullptr) return;
  const auto distillation = static_cast<float>(static_cast<double>(scale_) * options_.distillation_weight / (2 * n));
  AddSoftmaxSlopes(side, row, z, distillation, dz);
  kernels::AddExp({.weight = -distillation, .shift = side.own_anchors.teacher_log_sums[row]}, teacher, n_, dz);
  kernels::AddExp({.weight = -distillation, .shifts = side.all_anchors.teacher_log_sums}, teacher, n_, dz);
}

// `scalars` is null for the second side: each logit counts once.
void Pass::Differentiate(const Side& side, float* gradient, LossGradients* scalars) {
  if (gradient == nullptr && scalars == nullptr) return;
  struct Slopes {
    double scale, bias;
  };
  const Arena::Scope scope(context_.arena());
  float* dz = context_.arena().Allocate<float>(rows_ * n_);
  Slopes* slopes = context_.arena().Allocate<Slopes>(input_.m);
  const auto differentiate = [&](int64_t row, const float* z, const float* teacher) {
    float* row_dz = dz + row % rows_ * n_;
    RowGradient(side, row, z, teacher, row_dz);
    Slopes sum{};
    for (int64_t j = 0; scalars != nullptr && j < n_; ++j) {
      // z - bias = exp(logit_scale_log) cos is its own derivative.
      sum.scale += static_cast<double>(row_dz[j]) * static_cast<double>(z[j] - input_.logit_bias);
      sum.bias += static_cast<double>(row_dz[j]);
    }
    slopes[row] = sum;
  };
  ForRows(side, differentiate, [&](int64_t begin, int64_t count) {
    if (gradient == nullptr) return;
    kernels::MatMul(context_,
                    {.m = count, .n = input_.e, .k = n_, .a = dz, .b = side.all, .c = gradient + begin * input_.e});
  });
  if (scalars == nullptr) return;
  Slopes total{};
  for (int64_t row = 0; row < input_.m; ++row) {
    total.scale += slopes[row].scale;
    total.bias += slopes[row].bias;
  }
  scalars->dlogit_scale_log = total.scale / static_cast<double>(scale_);
  scalars->dlogit_bias = total.bias / static_cast<double>(scale_);
}

LossResult Pass::Run(LossGradients& gradients) {
  const int64_t m = input_.m;
  Side images{.own = input_.images, .teacher_own = input_.teacher_images, .own_anchors = AllocateAnchors()};
  Side texts{.own = input_.texts, .teacher_own = input_.teacher_texts, .own_anchors = AllocateAnchors()};
  images.all = Gather(input_.texts, m * input_.e);
  texts.all = Gather(input_.images, m * input_.e);
  images.teacher_all = Gather(input_.teacher_texts, m * input_.teacher_k);
  texts.teacher_all = Gather(input_.teacher_images, m * input_.teacher_k);

  Sums own[2] = {Measure(images), Measure(texts)};
  const Sums* all = Gather(own, 2);
  Sums image_sums, text_sums;
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    image_sums += all[2 * rank];
    text_sums += all[2 * rank + 1];
  }
  const double n = static_cast<double>(n_);
  LossResult result;
  result.contrastive = image_sums.contrastive / n;  // a sigmoid of a pair is the same from both sides
  if (is_softmax()) result.contrastive = (image_sums.contrastive + text_sums.contrastive) / (2 * n);
  result.distillation = (image_sums.distillation + text_sums.distillation) / (2 * n);
  result.loss = options_.contrastive_weight * result.contrastive + options_.distillation_weight * result.distillation;
  result.image_top1 = image_sums.correct / n;
  result.text_top1 = text_sums.correct / n;

  gradients.dlogit_scale_log = gradients.dlogit_bias = 0;
  if (gradients.dimages == nullptr && gradients.dtexts == nullptr) return result;
  images.all_anchors = GatherAnchors(texts.own_anchors);
  texts.all_anchors = GatherAnchors(images.own_anchors);
  Differentiate(images, gradients.dimages, &gradients);
  Differentiate(texts, gradients.dtexts, nullptr);

  double scalars[2] = {gradients.dlogit_scale_log, gradients.dlogit_bias};
  const double* everyone = Gather(scalars, 2);
  gradients.dlogit_scale_log = gradients.dlogit_bias = 0;
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    gradients.dlogit_scale_log += everyone[2 * rank];
    gradients.dlogit_bias += everyone[2 * rank + 1];
  }
  // A softmax does not see the bias: what is left in its sum is rounding.
  if (is_softmax()) gradients.dlogit_bias = 0;
  return result;
}

}  // namespace

LossResult ContrastiveLoss(Context& context, Communicator& communicator, const LossOptions& options,
                           const LossInput& input, LossGradients& gradients) {
  CHECK_GT(input.m, 0);
  CHECK_GT(input.e, 0);
  CHECK_GE(options.hard_negatives, 0.0);
  CHECK((input.teacher_images == nullptr) == (input.teacher_texts == nullptr));
  const Context::PrecisionScope precision(context, Precision::kF32);
  const Arena::Scope scope(context.arena());
  return Pass(context, communicator, options, input).Run(gradients);
}

}  // namespace diptych::train
