#include "kernels/scan.h"

#include <algorithm>
#include <cstring>

#include "core/half.h"
#include "kernels/simd_targets.h"
// After simd_targets.h.
#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/scan.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> Halves(D d, const uint16_t* x) {
  const hn::Rebind<uint16_t, D> du;
  const hn::Rebind<hwy::float16_t, D> dh;
  return hn::PromoteTo(d, hn::BitCast(dh, hn::LoadU(du, x)));
}

// Four sums: one alone would wait for each product's latency. Stored values are finite, so that Highway's conversion
// without F16C, which makes finite numbers of infinities, is right for all of them.
HWY_INLINE float Dot(const uint16_t* HWY_RESTRICT row, const float* HWY_RESTRICT query, int64_t e) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= e; i += 4 * lanes) {
    s0 = hn::MulAdd(Halves(d, row + i), hn::LoadU(d, query + i), s0);
    s1 = hn::MulAdd(Halves(d, row + i + lanes), hn::LoadU(d, query + i + lanes), s1);
    s2 = hn::MulAdd(Halves(d, row + i + 2 * lanes), hn::LoadU(d, query + i + 2 * lanes), s2);
    s3 = hn::MulAdd(Halves(d, row + i + 3 * lanes), hn::LoadU(d, query + i + 3 * lanes), s3);
  }
  for (; i + lanes <= e; i += lanes) s0 = hn::MulAdd(Halves(d, row + i), hn::LoadU(d, query + i), s0);
  const auto sum = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  float result = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < e; ++i) result += HalfToFloat(row[i]) * query[i];
  return result;
}

void ScoreRows(const uint16_t* rows, int64_t n, int64_t stride, int64_t e, const float* query, float* scores) {
  for (int64_t i = 0; i < n; ++i) scores[i] = Dot(rows + i * stride, query, e);
}

void ScoreListed(const uint16_t* rows, const uint32_t* which, int64_t n, int64_t stride, int64_t e, const float* query,
                 float* scores) {
  constexpr int64_t kAhead = 4;  // rows lie anywhere: each one's first lines are asked for before their turn
  for (int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {
      const uint16_t* next = rows + which[i + kAhead] * stride;
      for (int64_t line = 0; line < e; line += 32) hwy::Prefetch(next + line);
    }
    scores[i] = Dot(rows + which[i] * stride, query, e);
  }
}

// Rows are lanes, so that nothing is summed across a vector. A word holds a row's next four codes.
template <class D>
HWY_INLINE hn::Vec<D> AddProducts(D d, hn::Vec<D> sum, const uint16_t* HWY_RESTRICT words,
                                  const SketchGroup& HWY_RESTRICT group) {
  const hn::RebindToUnsigned<D> du;
  const auto word = hn::LoadU(du, words);
  const auto low = hn::Set(du, 15);
  const auto product = [&](auto code, int16_t weight) { return hn::Mul(hn::BitCast(d, code), hn::Set(d, weight)); };
  const auto first = hn::Add(product(hn::And(word, low), group.weights[0]),
                             product(hn::And(hn::ShiftRight<4>(word), low), group.weights[1]));
  const auto second = hn::Add(product(hn::And(hn::ShiftRight<8>(word), low), group.weights[2]),
                              product(hn::ShiftRight<12>(word), group.weights[3]));
  return hn::Add(sum, hn::Add(first, second));
}

void ScoreBlocks(const uint8_t* HWY_RESTRICT blocks, int64_t count, int64_t dims, const SketchGroup* HWY_RESTRICT query,
                 size_t groups, int16_t* HWY_RESTRICT scores) {
  const hn::CappedTag<int16_t, kSketchRows / 4> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), words = SketchBlockBytes(dims) / 2;
  for (int64_t block = 0; block < count; ++block) {
    const auto* codes = reinterpret_cast<const uint16_t*>(blocks) + block * words;
    for (int64_t row = 0; row < kSketchRows; row += 4 * lanes) {
      auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
      for (size_t g = 0; g < groups; ++g) {
        const uint16_t* at = codes + query[g].index * kSketchRows + row;
        // The same rows of the next block: which groups come next no prefetcher can know.
        if (block + 1 < count) {
          for (int64_t line = 0; line < 4 * lanes; line += 32) hwy::Prefetch(at + words + line);
        }
        s0 = AddProducts(d, s0, at, query[g]);
        s1 = AddProducts(d, s1, at + lanes, query[g]);
        s2 = AddProducts(d, s2, at + 2 * lanes, query[g]);
        s3 = AddProducts(d, s3, at + 3 * lanes, query[g]);
      }
      int16_t* to = scores + block * kSketchRows + row;
      hn::StoreU(s0, d, to);
      hn::StoreU(s1, d, to + lanes);
      hn::StoreU(s2, d, to + 2 * lanes);
      hn::StoreU(s3, d, to + 3 * lanes);
    }
  }
}

// Few pass: whole vectors are skipped at once.
size_t Select(const int16_t* scores, int64_t n, int16_t threshold, uint32_t first, uint32_t* found) {
  const hn::ScalableTag<int16_t> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto limit = hn::Set(d, threshold);
  size_t count = 0;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    if (hn::AllFalse(d, hn::Gt(hn::LoadU(d, scores + i), limit))) continue;
    for (int64_t j = i; j < i + lanes; ++j) {
      found[count] = first + static_cast<uint32_t>(j);
      count += scores[j] > threshold;
    }
  }
  for (; i < n; ++i) {
    if (scores[i] > threshold) found[count++] = first + static_cast<uint32_t>(i);
  }
  return count;
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(ScoreRows);
HWY_EXPORT(ScoreListed);
HWY_EXPORT(ScoreBlocks);
HWY_EXPORT(Select);

void ScoreHalves(const uint16_t* rows, int64_t n, int64_t stride, int64_t e, const float* query, float* scores) {
  HWY_DYNAMIC_DISPATCH(ScoreRows)(rows, n, stride, e, query, scores);
}

void ScoreHalvesAt(const uint16_t* rows, const uint32_t* which, int64_t n, int64_t stride, int64_t e,
                   const float* query, float* scores) {
  HWY_DYNAMIC_DISPATCH(ScoreListed)(rows, which, n, stride, e, query, scores);
}

void PackSketches(const uint8_t* codes, int64_t d, uint8_t* block) {
  for (int64_t j = 0; j < d; j += 4) {
    for (int64_t row = 0; row < kSketchRows; ++row) {
      const uint8_t* four = codes + row * d + j;
      const auto word = static_cast<uint16_t>(four[0] | four[1] << 4 | four[2] << 8 | four[3] << 12);
      std::memcpy(block + (j / 4 * kSketchRows + row) * 2, &word, sizeof word);
    }
  }
}

void ScoreSketches(const uint8_t* blocks, int64_t count, int64_t d, std::span<const SketchGroup> query,
                   int16_t* scores) {
  HWY_DYNAMIC_DISPATCH(ScoreBlocks)(blocks, count, d, query.data(), query.size(), scores);
}

size_t SelectAbove(const int16_t* scores, int64_t n, int16_t threshold, uint32_t first, uint32_t* found) {
  return HWY_DYNAMIC_DISPATCH(Select)(scores, n, threshold, first, found);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
