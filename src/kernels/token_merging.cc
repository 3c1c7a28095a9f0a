#include "kernels/token_merging.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "core/check.h"
#include "core/half.h"
#include "kernels/norms/norm.h"
#include "kernels/parallel.h"
#include "kernels/products/matmul.h"

namespace diptych::kernels {
namespace {

// Which token at an odd position each token at an even one is nearest to.
struct Match {
  float cosine;
  int32_t from, to;  // of the even, of the odd positions
};

bool IsNearer(const Match& a, const Match& b) { return a.cosine != b.cosine ? a.cosine > b.cosine : a.from < b.from; }

// cosines (even, odd) -> the matches of all even tokens but the class token. A cosine that is not a number is the
// farthest, so that the order stays one.
void FindMatches(const float* cosines, int64_t odd, std::span<Match> matches) {
  for (size_t i = 0; i < matches.size(); ++i) {
    const float* row = cosines + (static_cast<int64_t>(i) + 1) * odd;
    Match match{-std::numeric_limits<float>::infinity(), static_cast<int32_t>(i) + 1, 0};
    for (int64_t j = 0; j < odd; ++j) {
      if (row[j] > match.cosine) match = {row[j], match.from, static_cast<int32_t>(j)};
    }
    matches[i] = match;
  }
}

// One sequence; targets (even): the odd token that each even one joins, or -1.
void MergeSequence(const TokenRows& in, const int32_t* targets, const TokenRows& y) {
  const int64_t d = in.width, even = (in.tokens + 1) / 2;
  float *x_out = y.x, *size_out = y.sizes;
  for (int64_t i = 0; i < even; ++i) {
    if (targets[i] >= 0) continue;
    x_out = std::copy_n(in.x + 2 * i * d, d, x_out);
    *size_out++ = in.sizes[2 * i];
  }
  for (int64_t j = 0; 2 * j + 1 < in.tokens; ++j) {
    const float size = in.sizes[2 * j + 1];
    std::copy_n(in.x + (2 * j + 1) * d, d, x_out + j * d);
    size_out[j] = size;
  }
  // A running mean: a token that joins moves it by its share of the whole.
  for (int64_t i = 0; i < even; ++i) {
    if (targets[i] < 0) continue;
    float* mean = x_out + targets[i] * d;
    const float* x = in.x + 2 * i * d;
    float& size = size_out[targets[i]];
    size += in.sizes[2 * i];
    const float share = in.sizes[2 * i] / size;
    for (int64_t k = 0; k < d; ++k) mean[k] += share * (x[k] - mean[k]);
  }
}

template <class T>
void Mean(const T* x, int64_t m, const HeadShape& shape, float* y) {
  const float share = 1.0f / static_cast<float>(shape.heads);
  for (int64_t i = 0; i < m; ++i, x += shape.stride, y += shape.head_dim) {
    std::fill_n(y, shape.head_dim, 0.0f);
    for (int64_t head = 0; head < shape.heads; ++head) {
      const T* part = x + head * shape.head_dim;
      for (int64_t k = 0; k < shape.head_dim; ++k) {
        if constexpr (sizeof(T) == 2) {
          y[k] += BFloat16ToFloat(part[k]);
        } else {
          y[k] += part[k];
        }
      }
    }
    for (int64_t k = 0; k < shape.head_dim; ++k) y[k] *= share;
  }
}

}  // namespace

int64_t MergeableTokens(int64_t tokens, int64_t wanted) { return std::min(wanted, (tokens - 1) / 2); }

void MergeTokens(Context& context, const TokenRows& in, const float* metric, int64_t metric_width, int64_t count,
                 const TokenRows& y) {
  CHECK(count >= 0 && count <= MergeableTokens(in.tokens, count)) << count << " of " << in.tokens << " tokens";
  CHECK(y.batch == in.batch && y.tokens == in.tokens - count && y.width == in.width);
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t even = (in.tokens + 1) / 2, odd = in.tokens / 2;
  float* apart = arena.Allocate<float>(in.tokens * metric_width);  // those at even positions, then those at odd ones
  float* cosines = arena.Allocate<float>(even * odd);
  Match* matches = arena.Allocate<Match>(even - 1);
  int32_t* targets = arena.Allocate<int32_t>(in.batch * even);
  for (int64_t b = 0; b < in.batch; ++b) {
    for (int64_t t = 0; t < in.tokens; ++t) {
      const float* row = metric + (b * in.tokens + t) * metric_width;
      std::copy_n(row, metric_width, apart + (t / 2 + (t % 2 == 0 ? 0 : even)) * metric_width);
    }
    L2Normalize(apart, in.tokens, metric_width);
    MatMul(context, {.m = even,
                     .n = odd,
                     .k = metric_width,
                     .a = apart,
                     .b = apart + even * metric_width,
                     .transpose_b = true,
                     .c = cosines});
    FindMatches(cosines, odd, {matches, static_cast<size_t>(even - 1)});
    std::nth_element(matches, matches + count, matches + even - 1, IsNearer);
    std::fill_n(targets + b * even, even, -1);
    for (int64_t i = 0; i < count; ++i) targets[b * even + matches[i].from] = matches[i].to;
  }
  ParallelFor(context, in.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const auto of = [b](const TokenRows& rows) {
        TokenRows one = rows;
        one.x += b * rows.tokens * rows.width;
        one.sizes += b * rows.tokens;
        return one;
      };
      MergeSequence(of(in), targets + b * even, of(y));
    }
  });
}

void Log(const float* x, int64_t m, float* y) {
  for (int64_t i = 0; i < m; ++i) y[i] = std::log(x[i]);
}

void MeanOverHeads(const float* x, int64_t m, const HeadShape& shape, float* y) { Mean(x, m, shape, y); }
void MeanOverHeads(const uint16_t* x, int64_t m, const HeadShape& shape, float* y) { Mean(x, m, shape, y); }

void WeightedPatchMean(const TokenRows& x, float* y) {
  const int64_t t = x.tokens, d = x.width;
  for (int64_t b = 0; b < x.batch; ++b, y += d) {
    std::fill_n(y, d, 0.0f);
    float sum = 0;
    for (int64_t i = b * t + 1; i < (b + 1) * t; ++i) {
      sum += x.sizes[i];
      for (int64_t k = 0; k < d; ++k) y[k] += x.sizes[i] * x.x[i * d + k];
    }
    for (int64_t k = 0; k < d; ++k) y[k] /= sum;
  }
}

}  // namespace diptych::kernels
