// Inner products of one query with very many stored rows: fp16 rows as they are stored, and 4-bit sketches of them.
#ifndef DIPTYCH_KERNELS_SCAN_H_
#define DIPTYCH_KERNELS_SCAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace diptych::kernels {

/// scores (N) = rows (N, E) in fp16 · query (E), summed in fp32. Rows stand `stride` elements apart.
void ScoreHalves(const uint16_t* rows, int64_t n, int64_t stride, int64_t e, const float* query, float* scores);

/// The same of the rows whose numbers `which` lists.
void ScoreHalvesAt(const uint16_t* rows, const uint32_t* which, int64_t n, int64_t stride, int64_t e,
                   const float* query, float* scores);

/// A sketch is D values of 4 bits, D a multiple of 4. 128 of them make a block of 64 D bytes: for each group of four
/// dimensions 128 words of 16 bits, one a row, the first dimension in the lowest bits. A query reads the groups that it
/// wants, so that each has to be a run of memory that is worth fetching by itself.
inline constexpr int64_t kSketchRows = 128;
constexpr int64_t SketchBlockBytes(int64_t d) {
  return kSketchRows * d / 2;
}

/// Puts codes (kSketchRows, D), each 0 to 15, into a block.
void PackSketches(const uint8_t* codes, int64_t d, uint8_t* block);

/// Dimensions 4 index to 4 index + 3 of a query.
struct SketchGroup {
  int32_t index = 0;
  std::array<int16_t, 4> weights = {};
};

/// scores (kSketchRows x blocks) = codes · query over the query's groups, in 16 bits. The caller keeps 15 x the sum of
/// |weights| below 32768. Blocks are 2-byte aligned at least.
void ScoreSketches(const uint8_t* blocks, int64_t count, int64_t d, std::span<const SketchGroup> query,
                   int16_t* scores);

/// Appends first + i to `found` for each scores[i] > threshold, in order; returns how many. `found` has room for n.
size_t SelectAbove(const int16_t* scores, int64_t n, int16_t threshold, uint32_t first, uint32_t* found);

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_SCAN_H_
