#include "train/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/matmul.h"

namespace diptych::train {
namespace {

constexpr int64_t kPieceFloats = int64_t{1} << 22;

// What the softmax of one image over all texts, or of one text over all images, leaves behind: enough to know its
// probabilities from the logits alone, also where another process computed it.
struct Anchor {
  double log_sum = 0;          // of exp(z)
  double teacher_log_sum = 0;  // the same of the teacher's logits
  double hard_log_sum = 0;     // of exp((1 + beta) z) over negatives
  double weight_log_sum = 0;   // of exp(beta z) over negatives
  double negative_share = 0;   // of the denominator
};

// One of the two directions: a process's own rows against everyone's rows of the other modality.
struct Side {
  const float* own = nullptr;           // (M, E)
  const float* all = nullptr;           // (N, E), of the other modality
  const float* teacher_own = nullptr;   // (M, K)
  const float* teacher_all = nullptr;   // (N, K)
  const Anchor* own_anchors = nullptr;  // (M)
  const Anchor* all_anchors = nullptr;  // (N), of the other modality
};

struct Sums {
  double contrastive = 0;
  double distillation = 0;
  double correct = 0;
};

double Softplus(float x) {
  return static_cast<double>(std::max(x, 0.0f)) + static_cast<double>(std::log1p(std::exp(-std::abs(x))));
}

// log of the sum of exp(factor * z) over [0, n) without `skip` (-1: none of them).
double LogSumExp(const float* z, int64_t n, float factor, int64_t skip) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < n; ++j) {
    if (j != skip) largest = std::max(largest, z[j]);
  }
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) {
    if (j != skip) sum += static_cast<double>(std::exp(factor * (z[j] - largest)));
  }
  return static_cast<double>(factor) * static_cast<double>(largest) + std::log(sum);
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
        rows_(std::clamp<int64_t>(kPieceFloats / std::max<int64_t>(n_, 1), 1, std::max<int64_t>(input.m, 1))) {}

  LossResult Run(LossGradients& gradients);

 private:
  bool has_teacher() const { return input_.teacher_images != nullptr; }
  bool is_softmax() const { return options_.kind == LossOptions::Kind::kSoftmax; }
  bool is_hard() const { return is_softmax() && options_.hard_negatives > 0; }

  template <class T>
  const T* Gather(const T* mine, int64_t count);
  // Calls f(begin, count, logits, teacher logits) on pieces of a side's rows.
  template <class F>
  void ForPieces(const Side& side, const F& f);
  Sums Measure(const Side& side, Anchor* anchors);
  double AnchorLoss(const float* z, int64_t own, Anchor* anchor) const;
  void Differentiate(const Side& side, float* gradient, LossGradients* scalars);
  float OwnSlope(const Anchor& anchor, float z, bool is_own) const;
  void RowGradient(const Side& side, int64_t row, float* z, const float* teacher) const;

  Context& context_;
  Communicator& communicator_;
  const LossOptions& options_;
  const LossInput& input_;
  const int64_t n_;      // N
  const int64_t first_;  // where this process's rows begin among all
  const float scale_;
  const int64_t rows_;  // of a piece of logits
};

template <class T>
const T* Pass::Gather(const T* mine, int64_t count) {
  if (communicator_.size() == 1 || mine == nullptr) return mine;
  T* all = context_.arena().Allocate<T>(count * communicator_.size());
  communicator_.AllGather(mine, static_cast<size_t>(count) * sizeof(T), all);
  return all;
}

template <class F>
void Pass::ForPieces(const Side& side, const F& f) {
  const Arena::Scope scope(context_.arena());
  float* z = context_.arena().Allocate<float>(rows_ * n_);
  float* teacher = has_teacher() ? context_.arena().Allocate<float>(rows_ * n_) : nullptr;
  for (int64_t begin = 0; begin < input_.m; begin += rows_) {
    const int64_t count = std::min(rows_, input_.m - begin);
    kernels::MatMul(context_, {.m = count,
                               .n = n_,
                               .k = input_.e,
                               .a = side.own + begin * input_.e,
                               .b = side.all,
                               .transpose_b = true,
                               .c = z});
    for (int64_t i = 0; i < count * n_; ++i) z[i] = z[i] * scale_ + input_.logit_bias;
    if (has_teacher()) {
      kernels::MatMul(context_, {.m = count,
                                 .n = n_,
                                 .k = input_.teacher_k,
                                 .a = side.teacher_own + begin * input_.teacher_k,
                                 .b = side.teacher_all,
                                 .transpose_b = true,
                                 .c = teacher});
      for (int64_t i = 0; i < count * n_; ++i) teacher[i] *= input_.teacher_scale;
    }
    f(begin, count, z, teacher);
  }
}

// The contrastive loss of one row of logits.
double Pass::AnchorLoss(const float* z, int64_t own, Anchor* anchor) const {
  if (!is_softmax()) {
    double sum = 0;
    for (int64_t j = 0; j < n_; ++j) sum += Softplus(j == own ? -z[j] : z[j]);
    return sum;
  }
  const double positive = z[own];
  if (!is_hard() || n_ == 1) return anchor->log_sum - positive;
  const float beta = static_cast<float>(options_.hard_negatives);
  anchor->hard_log_sum = LogSumExp(z, n_, 1 + beta, own);
  anchor->weight_log_sum = LogSumExp(z, n_, beta, own);
  const double negatives = std::log(static_cast<double>(n_ - 1)) + anchor->hard_log_sum - anchor->weight_log_sum;
  const double largest = std::max(positive, negatives);
  const double denominator = largest + std::log(std::exp(positive - largest) + std::exp(negatives - largest));
  anchor->negative_share = std::exp(negatives - denominator);
  return denominator - positive;
}

Sums Pass::Measure(const Side& side, Anchor* anchors) {
  Sums sums;
  ForPieces(side, [&](int64_t begin, int64_t count, const float* z, const float* teacher) {
    for (int64_t row = begin; row < begin + count; ++row, z += n_) {
      Anchor& anchor = anchors[row];
      anchor = Anchor();
      if (is_softmax() || has_teacher()) anchor.log_sum = LogSumExp(z, n_, 1, -1);
      sums.contrastive += AnchorLoss(z, first_ + row, &anchor);
      sums.correct += IsFirst(z, n_, first_ + row) ? 1 : 0;
      if (!has_teacher()) continue;
      anchor.teacher_log_sum = LogSumExp(teacher, n_, 1, -1);
      double expected = 0;  // of z under the teacher
      for (int64_t j = 0; j < n_; ++j) {
        expected += static_cast<double>(std::exp(static_cast<float>(teacher[j] - anchor.teacher_log_sum)) * z[j]);
      }
      sums.distillation += anchor.log_sum - expected;
      teacher += n_;
    }
  });
  return sums;
}

// d(log denominator - positive) / dz of one anchor.
float Pass::OwnSlope(const Anchor& anchor, float z, bool is_own) const {
  if (!is_hard()) return std::exp(static_cast<float>(z - anchor.log_sum)) - (is_own ? 1.0f : 0.0f);
  const float share = static_cast<float>(anchor.negative_share);
  if (is_own) return -share;
  const float beta = static_cast<float>(options_.hard_negatives);
  return share * ((1 + beta) * std::exp(static_cast<float>((1 + beta) * z - anchor.hard_log_sum)) -
                  beta * std::exp(static_cast<float>(beta * z - anchor.weight_log_sum)));
}

// z (N) becomes the loss's gradient in it.
void Pass::RowGradient(const Side& side, int64_t row, float* z, const float* teacher) const {
  const Anchor& own = side.own_anchors[row];
  const double n = static_cast<double>(n_);
  const float contrastive = static_cast<float>(options_.contrastive_weight / (is_softmax() ? 2 * n : n));
  const float distillation = static_cast<float>(options_.distillation_weight / (2 * n));
  for (int64_t j = 0; j < n_; ++j) {
    const Anchor& other = side.all_anchors[j];
    const bool is_own = j == first_ + row;
    float slope = 0;
    if (is_softmax()) {
      slope = contrastive * (OwnSlope(own, z[j], is_own) + OwnSlope(other, z[j], is_own));
    } else {
      slope = contrastive * (1 / (1 + std::exp(-z[j])) - (is_own ? 1.0f : 0.0f));
    }
    if (teacher != nullptr) {
      const auto softmax = [](float x, double log_sum) { return std::exp(static_cast<float>(x - log_sum)); };
      slope += distillation * (softmax(z[j], own.log_sum) - softmax(teacher[j], own.teacher_log_sum) +
                               softmax(z[j], other.log_sum) - softmax(teacher[j], other.teacher_log_sum));
    }
    z[j] = slope;
  }
}

// `scalars` is null for the second side: each logit counts once.
void Pass::Differentiate(const Side& side, float* gradient, LossGradients* scalars) {
  if (gradient == nullptr && scalars == nullptr) return;
  const Arena::Scope scope(context_.arena());
  float* row_z = context_.arena().Allocate<float>(n_);
  ForPieces(side, [&](int64_t begin, int64_t count, float* z, const float* teacher) {
    for (int64_t i = 0; i < count; ++i) {
      float* dz = z + i * n_;
      std::copy_n(dz, n_, row_z);
      RowGradient(side, begin + i, dz, teacher == nullptr ? nullptr : teacher + i * n_);
      if (scalars != nullptr) {
        for (int64_t j = 0; j < n_; ++j) {
          // z - bias = exp(logit_scale_log) cos is its own derivative
          scalars->dlogit_scale_log += static_cast<double>(dz[j]) * static_cast<double>(row_z[j] - input_.logit_bias);
          scalars->dlogit_bias += static_cast<double>(dz[j]);
        }
      }
      for (int64_t j = 0; j < n_; ++j) dz[j] *= scale_;
    }
    if (gradient == nullptr) return;
    kernels::MatMul(context_,
                    {.m = count, .n = input_.e, .k = n_, .a = z, .b = side.all, .c = gradient + begin * input_.e});
  });
}

LossResult Pass::Run(LossGradients& gradients) {
  const int64_t m = input_.m;
  Arena& arena = context_.arena();
  Side images{.own = input_.images, .teacher_own = input_.teacher_images};
  Side texts{.own = input_.texts, .teacher_own = input_.teacher_texts};
  images.all = Gather(input_.texts, m * input_.e);
  texts.all = Gather(input_.images, m * input_.e);
  images.teacher_all = Gather(input_.teacher_texts, m * input_.teacher_k);
  texts.teacher_all = Gather(input_.teacher_images, m * input_.teacher_k);

  Anchor* image_anchors = arena.Allocate<Anchor>(m);
  Anchor* text_anchors = arena.Allocate<Anchor>(m);
  Sums own[2] = {Measure(images, image_anchors), Measure(texts, text_anchors)};
  const Sums* all = Gather(own, 2);
  Sums sums[2];
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    for (int side = 0; side < 2; ++side) {
      sums[side].contrastive += all[2 * rank + side].contrastive;
      sums[side].distillation += all[2 * rank + side].distillation;
      sums[side].correct += all[2 * rank + side].correct;
    }
  }
  const double n = static_cast<double>(n_);
  LossResult result;
  result.contrastive = is_softmax() ? (sums[0].contrastive + sums[1].contrastive) / (2 * n) : sums[0].contrastive / n;
  result.distillation = (sums[0].distillation + sums[1].distillation) / (2 * n);
  result.loss = options_.contrastive_weight * result.contrastive + options_.distillation_weight * result.distillation;
  result.image_top1 = sums[0].correct / n;
  result.text_top1 = sums[1].correct / n;

  gradients.dlogit_scale_log = gradients.dlogit_bias = 0;
  if (gradients.dimages == nullptr && gradients.dtexts == nullptr) return result;
  images.own_anchors = image_anchors;
  images.all_anchors = Gather(text_anchors, m);
  texts.own_anchors = text_anchors;
  texts.all_anchors = Gather(image_anchors, m);
  Differentiate(images, gradients.dimages, &gradients);
  Differentiate(texts, gradients.dtexts, nullptr);

  const double scalars[2] = {gradients.dlogit_scale_log, gradients.dlogit_bias};
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
