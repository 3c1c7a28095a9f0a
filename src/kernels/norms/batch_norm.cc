#include "kernels/norms/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/norms/batch_norm_rows.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/row_groups.h"
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norms/batch_norm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

// f(d, i) for the vectors of channels that begin at i, and single ones at the end.
template <class F>
HWY_INLINE void ForChannels(int64_t c, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= c; i += lanes) f(d, i);
  for (; i < c; ++i) f(one, i);
}

// Mean and sum of squared deviations of `rows` rows; `block` (2C) is scratch. Blocks of rows that stay in cache are
// read twice, for their mean and the deviations from it, and joined to those before them (Chan, Golub and LeVeque,
// 1979): the sum of squares less the square of the sum would cancel.
void GroupStatistics(const float* x, int64_t rows, int64_t c, float* mean, float* squares, float* block) {
  constexpr int64_t kBlockFloats = 8192;  // 32 KB
  const int64_t height = std::clamp<int64_t>(kBlockFloats / c, 8, 256);
  float *block_mean = block, *block_squares = block + c;
  for (int64_t begin = 0; begin < rows; begin += height) {
    const int64_t count = std::min(height, rows - begin);
    const float* first = x + begin * c;
    std::fill_n(block, 2 * c, 0.0f);
    for (int64_t row = 0; row < count; ++row) {
      ForChannels(c, [&](auto d, int64_t i) HWY_ATTR {
        hn::StoreU(hn::Add(hn::LoadU(d, block_mean + i), hn::LoadU(d, first + row * c + i)), d, block_mean + i);
      });
    }
    const float inverse = 1.0f / static_cast<float>(count);
    for (int64_t i = 0; i < c; ++i) block_mean[i] *= inverse;
    for (int64_t row = 0; row < count; ++row) {
      ForChannels(c, [&](auto d, int64_t i) HWY_ATTR {
        const auto deviation = hn::Sub(hn::LoadU(d, first + row * c + i), hn::LoadU(d, block_mean + i));
        hn::StoreU(hn::MulAdd(deviation, deviation, hn::LoadU(d, block_squares + i)), d, block_squares + i);
      });
    }
    if (begin == 0) {
      std::copy_n(block_mean, c, mean);
      std::copy_n(block_squares, c, squares);
      continue;
    }
    const float share = static_cast<float>(count) / static_cast<float>(begin + count);
    const float weight = share * static_cast<float>(begin);
    ForChannels(c, [&](auto d, int64_t i) HWY_ATTR {
      const auto before = hn::LoadU(d, mean + i), step = hn::Sub(hn::LoadU(d, block_mean + i), before);
      const auto sum = hn::Add(hn::LoadU(d, squares + i), hn::LoadU(d, block_squares + i));
      hn::StoreU(hn::MulAdd(step, hn::Set(d, share), before), d, mean + i);
      hn::StoreU(hn::MulAdd(hn::Mul(step, step), hn::Set(d, weight), sum), d, squares + i);
    });
  }
}

template <class Op>
void Normalize(Op op, const float* x, int64_t rows, int64_t c, const float* scale, const float* shift,
               const float* residual, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += c, y += c) {
    ForChannels(c, [&](auto d, int64_t i) HWY_ATTR {
      auto value = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, scale + i), hn::LoadU(d, shift + i));
      if (residual != nullptr) value = hn::Add(value, hn::LoadU(d, residual + i));
      hn::StoreU(op(d, value), d, y + i);
    });
    if (residual != nullptr) residual += c;
  }
}

void NormalizeRange(Activation activation, const float* x, int64_t rows, int64_t c, const float* scale,
                    const float* shift, const float* residual, float* y) {
  switch (activation) {
    case Activation::kRelu: return Normalize(Relu(), x, rows, c, scale, shift, residual, y);
    case Activation::kRelu6: return Normalize(Relu6(), x, rows, c, scale, shift, residual, y);
    default: return Normalize(Identity(), x, rows, c, scale, shift, residual, y);
  }
}

// The gradient before the activation, which a kink of ReLU's lets through or not: y tells as much as its argument.
template <class Op, class D>
HWY_INLINE auto Gradient(Op derivative, D d, const float* y, const float* dy) {
  const auto gradient = hn::LoadU(d, dy);
  if constexpr (std::is_same_v<Op, IdentityDerivative>) {
    return gradient;
  } else {
    return hn::Mul(gradient, derivative(d, hn::LoadU(d, y)));
  }
}

// Sums over the rows of the gradient g, and of g * (x - mean).
template <class Op>
void Sums(Op derivative, GradientRows r, float* g_sums, float* product_sums) {
  std::fill_n(g_sums, r.c, 0.0f);
  std::fill_n(product_sums, r.c, 0.0f);
  for (int64_t row = 0; row < r.rows; ++row, r.x += r.c, r.y += r.c, r.dy += r.c) {
    ForChannels(r.c, [&](auto d, int64_t i) HWY_ATTR {
      const auto g = Gradient(derivative, d, r.y + i, r.dy + i);
      const auto deviation = hn::Sub(hn::LoadU(d, r.x + i), hn::LoadU(d, r.mean + i));
      hn::StoreU(hn::Add(g, hn::LoadU(d, g_sums + i)), d, g_sums + i);
      hn::StoreU(hn::MulAdd(g, deviation, hn::LoadU(d, product_sums + i)), d, product_sums + i);
    });
  }
}

void GradientSums(Activation activation, const GradientRows& r, float* g_sums, float* product_sums) {
  switch (activation) {
    case Activation::kRelu: return Sums(ReluDerivative(), r, g_sums, product_sums);
    case Activation::kRelu6: return Sums(Relu6Derivative(), r, g_sums, product_sums);
    default: return Sums(IdentityDerivative(), r, g_sums, product_sums);
  }
}

template <class Op>
void StoreLine(Op derivative, GradientRows r, const GradientLine& line, float* dx, float* dresidual) {
  for (int64_t row = 0; row < r.rows; ++row, r.x += r.c, r.y += r.c, r.dy += r.c, dx += r.c) {
    ForChannels(r.c, [&](auto d, int64_t i) HWY_ATTR {
      const auto g = Gradient(derivative, d, r.y + i, r.dy + i);
      const auto deviation = hn::Sub(hn::LoadU(d, r.x + i), hn::LoadU(d, r.mean + i));
      if (dresidual != nullptr) hn::StoreU(g, d, dresidual + i);
      const auto sum = hn::MulAdd(deviation, hn::LoadU(d, line.slope + i), hn::LoadU(d, line.offset + i));
      hn::StoreU(hn::MulAdd(g, hn::LoadU(d, line.scale + i), sum), d, dx + i);
    });
    if (dresidual != nullptr) dresidual += r.c;
  }
}

void GradientRange(Activation activation, const GradientRows& r, const GradientLine& line, float* dx,
                   float* dresidual) {
  switch (activation) {
    case Activation::kRelu: return StoreLine(ReluDerivative(), r, line, dx, dresidual);
    case Activation::kRelu6: return StoreLine(Relu6Derivative(), r, line, dx, dresidual);
    default: return StoreLine(IdentityDerivative(), r, line, dx, dresidual);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(GroupStatistics);
HWY_EXPORT(NormalizeRange);
HWY_EXPORT(GradientSums);
HWY_EXPORT(GradientRange);

namespace {

int64_t Grain(int64_t c) {
  return std::max<int64_t>(1, 16384 / c);
}

// Statistics of all rows out of those of groups, in double precision.
void Statistics(Context& context, const BatchNormArgs& args) {
  const RowGroups groups(args.m);
  const int64_t c = args.c;
  const Arena::Scope scope(context.arena());
  float* parts = context.arena().Allocate<float>(groups.count * 4 * c);  // mean, squares and scratch of each group
  ParallelFor(context, groups.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* own = parts + i * 4 * c;
      HWY_DYNAMIC_DISPATCH(GroupStatistics)
      (args.x + groups.Begin(i) * c, groups.Begin(i + 1) - groups.Begin(i), c, own, own + c, own + 2 * c);
    }
  });
  ParallelFor(context, c, 64, [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      const auto rows = [&](int64_t i) { return static_cast<double>(groups.Begin(i + 1) - groups.Begin(i)); };
      double sum = 0.0, squares = 0.0;
      for (int64_t i = 0; i < groups.count; ++i) sum += rows(i) * parts[i * 4 * c + channel];
      const double mean = sum / static_cast<double>(args.m);
      for (int64_t i = 0; i < groups.count; ++i) {
        const double step = parts[i * 4 * c + channel] - mean;
        squares += parts[i * 4 * c + c + channel] + rows(i) * step * step;
      }
      args.statistics.mean[channel] = static_cast<float>(mean);
      args.statistics.variance[channel] = static_cast<float>(squares / static_cast<double>(args.m));
    }
  });
}

double InverseDeviation(const BatchNormArgs& args, int64_t channel) {
  return 1.0 / std::sqrt(static_cast<double>(args.statistics.variance[channel]) + args.params.eps);
}

}  // namespace

void BatchNorm(Context& context, const BatchNormArgs& args, const float* residual, float* y) {
  CHECK(args.m > 0 && args.c > 0) << " rows " << args.m << ", channels " << args.c;
  Statistics(context, args);
  const int64_t c = args.c;
  const Arena::Scope scope(context.arena());
  float *scale = context.arena().Allocate<float>(c), *shift = context.arena().Allocate<float>(c);
  for (int64_t i = 0; i < c; ++i) {
    const double factor = args.params.gamma[i] * InverseDeviation(args, i);
    scale[i] = static_cast<float>(factor);
    shift[i] = static_cast<float>(args.params.beta[i] - args.statistics.mean[i] * factor);
  }
  ParallelFor(context, args.m, Grain(c), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(NormalizeRange)
    (args.activation, args.x + begin * c, end - begin, c, scale, shift,
     residual == nullptr ? nullptr : residual + begin * c, y + begin * c);
  });
}

// y = act(n * gamma + beta + residual), n = (x - mean) * s, s = 1 / sqrt(variance + eps): with g the gradient before
// the activation, dx = gamma * s * (g - mean(g) - n * mean(g * n)).
void BatchNormBackward(Context& context, const BatchNormArgs& args, const float* y, const float* dy, float* dx,
                       const BatchNormGradients& gradients) {
  CHECK(args.m > 0 && args.c > 0) << " rows " << args.m << ", channels " << args.c;
  CHECK(gradients.dresidual == nullptr || gradients.dresidual != dx) << " one place for two gradients";
  const RowGroups groups(args.m);
  const int64_t c = args.c;
  const Arena::Scope scope(context.arena());
  float* sums = context.arena().Allocate<float>((groups.count + 1) * 2 * c);
  float *g_sums = sums + groups.count * 2 * c, *product_sums = g_sums + c;
  const auto rows = [&](int64_t begin, int64_t end) {
    const float* read = args.activation == Activation::kNone ? dy : y;
    return GradientRows{args.x + begin * c, read + begin * c, dy + begin * c, end - begin, c, args.statistics.mean};
  };
  ParallelFor(context, groups.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* own = sums + i * 2 * c;
      HWY_DYNAMIC_DISPATCH(GradientSums)(args.activation, rows(groups.Begin(i), groups.Begin(i + 1)), own, own + c);
    }
  });
  std::fill_n(g_sums, 2 * c, 0.0f);
  for (int64_t i = 0; i < groups.count; ++i) Add(sums + i * 2 * c, 2 * c, g_sums);

  float* line = context.arena().Allocate<float>(3 * c);
  float *scale = line, *slope = line + c, *offset = line + 2 * c;
  for (int64_t i = 0; i < c; ++i) {
    const double s = InverseDeviation(args, i), factor = args.params.gamma[i] * s;
    const double inverse_m = 1.0 / static_cast<double>(args.m);
    scale[i] = static_cast<float>(factor);
    slope[i] = static_cast<float>(-factor * s * s * product_sums[i] * inverse_m);
    offset[i] = static_cast<float>(-factor * g_sums[i] * inverse_m);
    if (gradients.dgamma != nullptr) gradients.dgamma[i] += static_cast<float>(product_sums[i] * s);
    if (gradients.dbeta != nullptr) gradients.dbeta[i] += g_sums[i];
  }
  ParallelFor(context, args.m, Grain(c), [&](int64_t begin, int64_t end) {
    float* dresidual = gradients.dresidual == nullptr ? nullptr : gradients.dresidual + begin * c;
    HWY_DYNAMIC_DISPATCH(GradientRange)
    (args.activation, rows(begin, end), {scale, slope, offset}, dx + begin * c, dresidual);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
