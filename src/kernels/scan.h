// Inner products of one query with very many stored rows: fp16 rows as they are stored, and 4-bit sketches of them.
#ifndef DIPTYCH_KERNELS_SCAN_H_
#define DIPTYCH_KERNELS_SCAN_H_

#include <cstddef>
#include <cstdint>

namespace diptych::kernels {

/// scores (N) = rows (N, E) in fp16 · query (E), summed in fp32. Rows stand `stride` elements apart.
void ScoreHalves(const uint16_t* rows, int64_t n, int64_t stride, int64_t e, const float* query, float* scores);

/// The same of the rows whose numbers `which` lists.
void ScoreHalvesAt(const uint16_t* rows, const uint32_t* which, int64_t n, int64_t stride, int64_t e,
                   const float* query, float* scores);

/// A sketch is D values of 4 bits, D a multiple of 4. 32 of them make a block of 16 D bytes: for each group of four
/// dimensions 32 words of 16 bits, one a row, the first dimension in the lowest bits.
inline constexpr int64_t kSketchRows = 32;
constexpr int64_t SketchBlockBytes(int64_t d) {
  return kSketchRows * d / 2;
}

/// Puts codes (32, D), each 0 to 15, into a block.
void PackSketches(const uint8_t* codes, int64_t d, uint8_t* block);

/// scores (32 x blocks) = codes · query (D), in 16 bits. The caller keeps 15 x the sum of |query| below 32768. Blocks
/// are 2-byte aligned at least.
void ScoreSketches(const uint8_t* blocks, int64_t count, int64_t d, const int16_t* query, int16_t* scores);

/// Appends first + i to `found` for each scores[i] > threshold, in order; returns how many. `found` has room for n.
size_t SelectAbove(const int16_t* scores, int64_t n, int16_t threshold, uint32_t first, uint32_t* found);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_SCAN_H_
