#include "kernels/norms/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/row_groups.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norms/norm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sum of f(x[i]) with four vectors of partial sums: short chains of additions, and small rounding errors.
template <class F>
HWY_INLINE float SumOf(const F& f, const float* HWY_RESTRICT x, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = f(d, hn::LoadU(d, x + i), s0);
    s1 = f(d, hn::LoadU(d, x + i + lanes), s1);
    s2 = f(d, hn::LoadU(d, x + i + 2 * lanes), s2);
    s3 = f(d, hn::LoadU(d, x + i + 3 * lanes), s3);
  }
  for (; i + lanes <= n; i += lanes) s0 = f(d, hn::LoadU(d, x + i), s0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) sum = hn::GetLane(f(one, hn::LoadU(one, x + i), hn::Set(one, sum)));
  return sum;
}

struct PlainSum {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x, V sum) const {
    return hn::Add(sum, x);
  }
};

struct SquaredDeviations {
  float mean;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V sum) const {
    const V deviation = hn::Sub(x, hn::Set(d, mean));
    return hn::MulAdd(deviation, deviation, sum);
  }
};

// Sum of a[i] * b[i].
HWY_INLINE float Dot(const float* a, const float* b, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), s1);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Two passes over a row that the first one brings into L1: as exact as torch's, where sum(x^2) - mean^2 cancels.
void NormalizeRows(const float* x, int64_t m, int64_t width, const LayerNormParams& params, float* y,
                   const LayerNormStatistics& statistics) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float inverse_width = 1.0f / static_cast<float>(width);
  for (int64_t row = 0; row < m; ++row, x += width, y += width) {
    const float mean = SumOf(PlainSum(), x, width) * inverse_width;
    const float variance = SumOf(SquaredDeviations{mean}, x, width) * inverse_width;
    const float scale = 1.0f / std::sqrt(variance + params.eps);
    if (statistics.mean != nullptr) statistics.mean[row] = mean;
    if (statistics.inverse_deviation != nullptr) statistics.inverse_deviation[row] = scale;
    const auto mean_lanes = hn::Set(d, mean), scale_lanes = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) {
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, x + i), mean_lanes), scale_lanes);
      hn::StoreU(hn::MulAdd(normal, hn::LoadU(d, params.gamma + i), hn::LoadU(d, params.beta + i)), d, y + i);
    }
    for (; i < width; ++i) y[i] = (x[i] - mean) * scale * params.gamma[i] + params.beta[i];
  }
}

// Means over a row of g = dy * gamma and of g * normal, normal = (x - mean) * scale; on the way, what the row adds to
// the sums of gamma and beta.
struct GradientMeans {
  float g, g_normal;
};
struct GradientRow {
  const float* x;
  const float* dy;
  const float* gamma;
  float mean, scale;  // of the forward pass
  float* dgamma;      // sums over rows
  float* dbeta;
};
HWY_INLINE GradientMeans AddGradients(const GradientRow& row, int64_t width) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto means = hn::Set(d, row.mean), scales = hn::Set(d, row.scale);
  auto g_sums = hn::Zero(d), g_normal_sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const auto dy = hn::LoadU(d, row.dy + i);
    const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, row.x + i), means), scales);
    const auto g = hn::Mul(dy, hn::LoadU(d, row.gamma + i));
    g_sums = hn::Add(g_sums, g);
    g_normal_sums = hn::MulAdd(g, normal, g_normal_sums);
    hn::StoreU(hn::MulAdd(dy, normal, hn::LoadU(d, row.dgamma + i)), d, row.dgamma + i);
    hn::StoreU(hn::Add(dy, hn::LoadU(d, row.dbeta + i)), d, row.dbeta + i);
  }
  GradientMeans sums{hn::GetLane(hn::SumOfLanes(d, g_sums)), hn::GetLane(hn::SumOfLanes(d, g_normal_sums))};
  for (; i < width; ++i) {
    const float normal = (row.x[i] - row.mean) * row.scale, g = row.dy[i] * row.gamma[i];
    sums.g += g;
    sums.g_normal += g * normal;
    row.dgamma[i] += row.dy[i] * normal;
    row.dbeta[i] += row.dy[i];
  }
  const float inverse_width = 1.0f / static_cast<float>(width);
  return {sums.g * inverse_width, sums.g_normal * inverse_width};
}

// dx = dresidual + (g - mean(g) - normal * mean(g * normal)) * scale
HWY_INLINE void StoreGradients(const GradientRow& row, const GradientMeans& means, int64_t width,
                               const float* dresidual, float* dx) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float slope = -row.scale * row.scale * means.g_normal;
  const auto x_means = hn::Set(d, row.mean), scales = hn::Set(d, row.scale);
  const auto slopes = hn::Set(d, slope), g_means = hn::Set(d, means.g);
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const auto centered = hn::MulSub(hn::LoadU(d, row.dy + i), hn::LoadU(d, row.gamma + i), g_means);
    auto sum = hn::Mul(hn::Sub(hn::LoadU(d, row.x + i), x_means), slopes);
    sum = hn::MulAdd(centered, scales, sum);
    if (dresidual != nullptr) sum = hn::Add(sum, hn::LoadU(d, dresidual + i));
    hn::StoreU(sum, d, dx + i);
  }
  for (; i < width; ++i) {
    const float sum = (row.dy[i] * row.gamma[i] - means.g) * row.scale + (row.x[i] - row.mean) * slope;
    dx[i] = dresidual == nullptr ? sum : dresidual[i] + sum;
  }
}

// Rows [begin, end); dgamma and dbeta (D) are written.
void NormalizeRowsBackward(const LayerNormBackwardArgs& args, int64_t begin, int64_t end, float* dx, float* dgamma,
                           float* dbeta) {
  std::fill_n(dgamma, args.d, 0.0f);
  std::fill_n(dbeta, args.d, 0.0f);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i * args.d;
    const GradientRow row{.x = args.x + at,
                          .dy = args.dy + at,
                          .gamma = args.params.gamma,
                          .mean = args.statistics.mean[i],
                          .scale = args.statistics.inverse_deviation[i],
                          .dgamma = dgamma,
                          .dbeta = dbeta};
    const GradientMeans means = AddGradients(row, args.d);
    StoreGradients(row, means, args.d, args.dresidual == nullptr ? nullptr : args.dresidual + at, dx + at);
  }
}

// y may be x; lengths may be null.
void NormalizeLengths(const float* x, int64_t m, int64_t width, float* y, float* lengths) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < m; ++row, x += width, y += width) {
    const float length = std::max(std::sqrt(SumOf(SquaredDeviations{0.0f}, x, width)), 1e-12f);
    if (lengths != nullptr) lengths[row] = length;
    const float scale = 1.0f / length;
    const auto scale_lanes = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), scale_lanes), d, y + i);
    for (; i < width; ++i) y[i] = x[i] * scale;
  }
}

void NormalizeLengthsBackward(const float* y, const float* lengths, const float* dy, int64_t m, int64_t width,
                              float* dx) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < m; ++row, y += width, dy += width, dx += width) {
    const float along = Dot(y, dy, width), scale = 1.0f / lengths[row];
    const auto along_lanes = hn::Set(d, along), scale_lanes = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) {
      const auto across = hn::NegMulAdd(hn::LoadU(d, y + i), along_lanes, hn::LoadU(d, dy + i));
      hn::StoreU(hn::Mul(across, scale_lanes), d, dx + i);
    }
    for (; i < width; ++i) dx[i] = (dy[i] - y[i] * along) * scale;
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(NormalizeRows);
HWY_EXPORT(NormalizeRowsBackward);
HWY_EXPORT(NormalizeLengths);
HWY_EXPORT(NormalizeLengthsBackward);

void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y) {
  LayerNorm(context, x, m, d, params, y, {nullptr, nullptr});
}

void LayerNorm(Context& context, const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y,
               const LayerNormStatistics& statistics) {
  CHECK_GT(d, 0);
  const bool keep = statistics.mean != nullptr;
  const int64_t grain = std::max<int64_t>(1, 16384 / d);
  ParallelFor(context, m, grain, [&](int64_t begin, int64_t end) {
    LayerNormStatistics own{nullptr, nullptr};
    if (keep) own = {statistics.mean + begin, statistics.inverse_deviation + begin};
    HWY_DYNAMIC_DISPATCH(NormalizeRows)(x + begin * d, end - begin, d, params, y + begin * d, own);
  });
}

void LayerNorm(Context& context, const float* x, int64_t m, const LayerNormParams& params, const MutableRows& y) {
  if (y.type == Precision::kF32) return LayerNorm(context, x, m, y.k, params, y.floats());
  const int64_t d = y.k;
  const Arena::Scope scope(context.arena());
  float* normed = context.arena().Allocate<float>(context.threads() * kRowUnit * d);  // some rows of each thread
  ParallelForRanked(context, m, kRowUnit, [&](int64_t begin, int64_t end, int rank) {
    float* own = normed + rank * kRowUnit * d;
    for (int64_t row = begin; row < end; row += kRowUnit) {
      const int64_t rows = std::min(kRowUnit, end - row);
      HWY_DYNAMIC_DISPATCH(NormalizeRows)(x + row * d, rows, d, params, own, {nullptr, nullptr});
      ConvertRows(own, rows, y, row);
    }
  });
}

void LayerNormBackward(Context& context, const LayerNormBackwardArgs& args, float* dx,
                       const LayerNormGradients& gradients) {
  CHECK_GT(args.d, 0);
  const RowGroups groups(args.m);
  const Arena::Scope scope(context.arena());
  float* sums = context.arena().Allocate<float>(groups.count * 2 * args.d);
  ParallelFor(context, groups.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* own = sums + i * 2 * args.d;
      HWY_DYNAMIC_DISPATCH(NormalizeRowsBackward)(args, groups.Begin(i), groups.Begin(i + 1), dx, own, own + args.d);
    }
  });
  for (int64_t i = 0; i < groups.count; ++i) {
    const float* own = sums + i * 2 * args.d;
    if (gradients.dgamma != nullptr) Add(own, args.d, gradients.dgamma);
    if (gradients.dbeta != nullptr) Add(own + args.d, args.d, gradients.dbeta);
  }
}

void L2Normalize(float* x, int64_t m, int64_t d) {
  HWY_DYNAMIC_DISPATCH(NormalizeLengths)(x, m, d, x, nullptr);
}

void L2Normalize(const float* x, int64_t m, int64_t d, float* y, float* lengths) {
  HWY_DYNAMIC_DISPATCH(NormalizeLengths)(x, m, d, y, lengths);
}

void L2NormalizeBackward(const float* y, const float* lengths, const float* dy, int64_t m, int64_t d, float* dx) {
  HWY_DYNAMIC_DISPATCH(NormalizeLengthsBackward)(y, lengths, dy, m, d, dx);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
