// Rows of activations in the type that a product takes: fp32, or narrower where its weight is packed so.
#ifndef DIPTYCH_KERNELS_ROWS_H_
#define DIPTYCH_KERNELS_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/precision.h"

namespace diptych::kernels {

/// Views do not own. kF32: floats. kBF16: bf16. kInt8: u8 with zero point 128 and a scale for each row,
/// x = scale * (u - 128).
template <class Byte, class Scale>
struct BasicRows {
  Precision type = Precision::kF32;
  Byte* data = nullptr;     // (M, K), dense; room for kRowUnit rows at a time
  Scale* scales = nullptr;  // (M), kInt8 alone
  int64_t k = 0;            // columns

  size_t row_bytes() const {
    return static_cast<size_t>(k) * (type == Precision::kF32 ? 4 : type == Precision::kBF16 ? 2 : 1);
  }
  Byte* row(int64_t m) const { return data + static_cast<size_t>(m) * row_bytes(); }
};
using Rows = BasicRows<const std::byte, const float>;
struct MutableRows : BasicRows<std::byte, float> {
  operator Rows() const { return {type, data, scales, k}; }  // NOLINT(google-explicit-constructor): as T* to const T*
  float* floats() const { return reinterpret_cast<float*>(data); }
};

/// y (M, K) as rows.
inline MutableRows FloatRows(float* y, int64_t k) {
  MutableRows rows;
  rows.data = reinterpret_cast<std::byte*>(y);
  rows.k = k;
  return rows;
}

/// Products read whole units of rows; what lies behind the last row may be anything.
inline constexpr int64_t kRowUnit = 16;

/// Scratch for m rows of k columns.
MutableRows AllocateRows(Arena& arena, Precision type, int64_t m, int64_t k);

/// x (M, K) -> y, rounded to nearest even; kInt8: symmetric about each row's largest magnitude.
void ConvertRows(Context& context, const float* x, int64_t m, const MutableRows& y);
/// The same on the calling thread, into the m rows of y from row `first`.
void ConvertRows(const float* x, int64_t m, const MutableRows& y, int64_t first);

/// The rows of x in the type wanted: x itself, or a copy in scratch.
Rows RowsOf(Context& context, const float* x, int64_t m, int64_t k, Precision type);
/// The same of bf16 rows; REQUIRES: a narrow type.
Rows RowsOf(Context& context, const Rows& x, int64_t m, Precision type);

/// Some rows of x, one after the other.
void GatherRows(const Rows& x, std::span<const int64_t> rows, const MutableRows& y);

/// As ConvertRows on the calling thread, from bf16 with the largest magnitude of each row already known: x (M, K).
void QuantizeRows(const uint16_t* x, const float* largest, int64_t m, const MutableRows& y);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_ROWS_H_
