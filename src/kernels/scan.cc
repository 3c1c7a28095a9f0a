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
void ScoreBlocks(const uint8_t* HWY_RESTRICT blocks, int64_t count, int64_t dims, const int16_t* HWY_RESTRICT query,
                 int16_t* HWY_RESTRICT scores) {
  const hn::CappedTag<int16_t, kSketchRows> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), bytes = SketchBlockBytes(dims);
  const auto low = hn::Set(du, 15);
  for (int64_t block = 0; block < count; ++block) {
    for (int64_t row = 0; row < kSketchRows; row += lanes) {
      const auto* words = reinterpret_cast<const uint16_t*>(blocks + block * bytes) + row;
      auto even = hn::Zero(d), odd = hn::Zero(d);
      for (int64_t j = 0; j < dims; j += 4, words += kSketchRows) {
        const auto word = hn::LoadU(du, words);
        const auto code = [&](auto bits) { return hn::BitCast(d, bits); };
        even = hn::Add(even, hn::Mul(code(hn::And(word, low)), hn::Set(d, query[j])));
        odd = hn::Add(odd, hn::Mul(code(hn::And(hn::ShiftRight<4>(word), low)), hn::Set(d, query[j + 1])));
        even = hn::Add(even, hn::Mul(code(hn::And(hn::ShiftRight<8>(word), low)), hn::Set(d, query[j + 2])));
        odd = hn::Add(odd, hn::Mul(code(hn::ShiftRight<12>(word)), hn::Set(d, query[j + 3])));
      }
      hn::StoreU(hn::Add(even, odd), d, scores + block * kSketchRows + row);
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

void ScoreSketches(const uint8_t* blocks, int64_t count, int64_t d, const int16_t* query, int16_t* scores) {
  HWY_DYNAMIC_DISPATCH(ScoreBlocks)(blocks, count, d, query, scores);
}

size_t SelectAbove(const int16_t* scores, int64_t n, int16_t threshold, uint32_t first, uint32_t* found) {
  return HWY_DYNAMIC_DISPATCH(Select)(scores, n, threshold, first, found);
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
