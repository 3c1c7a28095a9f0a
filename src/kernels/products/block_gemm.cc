#include "kernels/products/block_gemm.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

// The usual three levels (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008): a block of
// A of up to kDepth columns and kRowsOfBlock rows is copied to memory of its own, which stays in L2 (190 KB); a panel
// of B, kDepth deep and two vectors wide, stays in L1 (24 KB with AVX2); 6 x 2 vectors of C, with AVX-512 twice as
// many, stay in registers. C's lines are asked for before the sums that will be added to them are computed: without
// that a wide C, which lies in L3 or beyond, cost 7 %. On Zen 3 other depths (256, 320) and blocks (180 to 240 rows)
// were no faster.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/products/block_gemm.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"
#include "kernels/products/register_block_inl.h"
#include "kernels/transpose_inl.h"

#ifndef DIPTYCH_KERNELS_BLOCK_GEMM_ONCE_
#define DIPTYCH_KERNELS_BLOCK_GEMM_ONCE_
namespace diptych::kernels {

constexpr int64_t kDepth = 384;
constexpr int64_t kRowsOfBlock = 120;
constexpr int64_t kBlockStride = kDepth + 16;  // an odd number of cache lines: the rows of a block spread over the sets

// The depth of the first slice of K; all but the last are as deep.
inline int64_t SliceDepth(int64_t k) {
  const int64_t slices = (k + kDepth - 1) / kDepth;
  return (k + slices - 1) / slices;
}

// C (M, N) = act(A B + bias + addend).
struct BlockProduct {
  int64_t m, n, k;
  const float* a;  // (M, K), or (K, M)
  bool transpose_a;
  const float* panels;  // of B, as PackPanels leaves them
  const float* bias;    // null: none
  const float* addend;  // (M, N), may be C; null: none
  Activation activation;
  float* c;
};

// The matrix that panels are made of: W (N, K) or (K, N).
struct PanelSource {
  const float* w;
  int64_t n, k;
  WeightOrder order;
};

// A piece of work: rows [row, row + rows) of C, panels [begin, end).
struct BlockRange {
  int64_t row, rows, begin, end;
};

}  // namespace diptych::kernels
#endif  // DIPTYCH_KERNELS_BLOCK_GEMM_ONCE_

HWY_BEFORE_NAMESPACE();
namespace diptych::kernels::HWY_NAMESPACE {

int64_t PanelWidth() {
  return kTile;
}

// `depth` rows of one panel: kTile values each, `columns` of them of w, the rest zero. in[column * stride + i].
void PackPanelOfRows(const Rows& in, int64_t depth, int64_t columns, float* out) {
  int64_t column = 0;
  for (; column + 4 <= columns; column += 4) {
    TransposeFour<kTile>({in.data + column * in.stride, in.stride}, depth, 1.0f, out + column);
  }
  for (; column < kTile; ++column) {
    for (int64_t i = 0; i < depth; ++i) {
      out[i * kTile + column] = column < columns ? in.data[column * in.stride + i] : 0.0f;
    }
  }
}

// Panels [begin, end) of a matrix whose rows are those of the panels: rows [first, first + depth) of w, side by side as
// they lie there.
void PackPanelsOfColumns(const PanelSource& from, int64_t first, int64_t depth, int64_t begin, int64_t end,
                         float* out) {
  const Floats d;
  for (int64_t i = 0; i < depth; ++i) {
    const float* in = from.w + (first + i) * from.n;
    float* to = out + i * kTile;
    for (int64_t panel = begin; panel < end; ++panel, to += depth * kTile) {
      const int64_t column = panel * kTile, columns = from.n - column;
      if (columns >= kTile) {
        for (int v = 0; v < kTile; v += kLanes) hn::Store(hn::LoadU(d, in + column + v), d, to + v);
      } else {
        std::copy_n(in + column, columns, to);
        std::fill(to + columns, to + kTile, 0.0f);
      }
    }
  }
}

// Panels [begin, end) of all slices. `out` holds slices of K; in each the panels in order; in each its rows of kTile
// values.
void PackPanels(const PanelSource& from, int64_t begin, int64_t end, float* out) {
  const int64_t n = from.n, k = from.k, slice = SliceDepth(k), panels = (n + kTile - 1) / kTile;
  for (int64_t first = 0; first < k; first += slice) {
    const int64_t depth = std::min(k - first, slice);
    float* to = out + (first * panels + depth * begin) * kTile;
    if (from.order == WeightOrder::kInOut) {
      PackPanelsOfColumns(from, first, depth, begin, end, to);
      continue;
    }
    for (int64_t panel = begin; panel < end; ++panel, to += depth * kTile) {
      const int64_t column = panel * kTile, columns = std::min<int64_t>(kTile, n - column);
      PackPanelOfRows({from.w + column * k + first, k}, depth, columns, to);
    }
  }
}

// Rows of the block: out[i * kBlockStride + j] = A(row + i, first + j).
void CopyBlock(const BlockProduct& product, int64_t row, int64_t rows, int64_t first, int64_t depth, float* out) {
  if (!product.transpose_a) {
    const float* in = product.a + row * product.k + first;
    for (int64_t i = 0; i < rows; ++i) std::copy_n(in + i * product.k, depth, out + i * kBlockStride);
    return;
  }
  const Rows in{product.a + first * product.m + row, product.m};
  constexpr int64_t kAhead = 8;  // rows lie pages apart
  int64_t j = 0;
  for (; j + 4 <= depth; j += 4) {
    for (int64_t ahead = j + kAhead; ahead < std::min(depth, j + kAhead + 4); ++ahead) {
      for (int64_t i = 0; i < rows; i += 16) hwy::Prefetch(in.data + ahead * in.stride + i);
    }
    TransposeFour<kBlockStride>({in.data + j * in.stride, in.stride}, rows, 1.0f, out + j);
  }
  for (; j < depth; ++j) {
    for (int64_t i = 0; i < rows; ++i) out[i * kBlockStride + j] = in.data[j * in.stride + i];
  }
}

// Where a block of sums goes: `rows` rows of y, `columns` of them, with what is added first (either may be null).
struct Destination {
  float* y;
  const float* bias;
  const float* addend;  // rows as y's
  int64_t stride;
  int rows;
  int64_t columns;
};

template <class Op>
HWY_INLINE void Finish(const Op& op, const float* HWY_RESTRICT sums, const Destination& to) {
  const Floats d;
  HWY_ALIGN float buffer[kTile];
  for (int row = 0; row < to.rows; ++row, sums += kTile) {
    float* y = to.y + row * to.stride;
    const float* addend = to.addend == nullptr ? nullptr : to.addend + row * to.stride;
    if (to.columns == kTile) {
      for (int v = 0; v < kTile; v += kLanes) {
        V sum = hn::Load(d, sums + v);
        if (to.bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, to.bias + v));
        if (addend != nullptr) sum = hn::Add(sum, hn::LoadU(d, addend + v));
        hn::StoreU(op(d, sum), d, y + v);
      }
      continue;
    }
    for (int64_t j = 0; j < kTile; ++j) {
      buffer[j] = sums[j];
      if (j < to.columns && to.bias != nullptr) buffer[j] += to.bias[j];
      if (j < to.columns && addend != nullptr) buffer[j] += addend[j];
    }
    for (int v = 0; v < kTile; v += kLanes) hn::Store(op(d, hn::Load(d, buffer + v)), d, buffer + v);
    std::copy_n(buffer, to.columns, y);
  }
}

template <int kRows>
HWY_INLINE void SumsOf(const float* rows, const float* panel, int64_t depth, float* sums) {
  V acc[kBlock][2];
  MultiplyBlock<kRows, 2>(rows, kBlockStride, 1, {panel, kTile}, depth, acc);
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < 2; ++v) hn::Store(acc[i][v], Floats(), sums + i * kTile + v * kLanes);
  }
}

void Sums(const float* rows, int count, const float* panel, int64_t depth, float* sums) {
  WithBlockRows(count, [&](auto kept) HWY_ATTR { SumsOf<kept()>(rows, panel, depth, sums); });
}

// Rows of the next register block. Up to 4 rows take as long as 4, for the latency of their sums: 7 are better done as
// 4 + 3 than as 6 + 1.
HWY_INLINE int NextRows(int64_t rows) {
  if (rows <= kBlock) return static_cast<int>(rows);
  return rows < 2 * kBlock ? static_cast<int>((rows + 1) / 2) : kBlock;
}

// Of rows that are about to be written; a cache line may begin within the first vector.
HWY_INLINE void PrefetchRows(const float* rows, int count, int64_t stride) {
  for (int i = 0; i < count; ++i, rows += stride) {
    hwy::Prefetch(rows);
    hwy::Prefetch(rows + kTile - 1);
  }
}

// One block of A times the range's panels of one slice.
struct Slice {
  int64_t first, depth;
  bool is_first, is_last;
};
template <class Op>
void MultiplyPanels(const Op& op, const BlockProduct& product, const BlockRange& range, const Slice& slice,
                    const float* block) {
  const int64_t n = product.n, panels = (n + kTile - 1) / kTile;
  const float* weights = product.panels + slice.first * panels * kTile;
  HWY_ALIGN float sums[kBlock * kTile];
  for (int64_t panel = range.begin; panel < range.end; ++panel) {
    const int64_t column = panel * kTile, at = range.row * n + column;
    // The first slice adds bias and addend, the others what is in C, so that the addend may be C.
    Destination to{.y = product.c + at, .stride = n, .columns = std::min<int64_t>(kTile, n - column)};
    to.addend = slice.is_first ? product.addend : product.c;
    if (to.addend != nullptr) to.addend += at;
    if (slice.is_first && product.bias != nullptr) to.bias = product.bias + column;
    for (int64_t i = 0; i < range.rows; i += to.rows) {
      to.rows = NextRows(range.rows - i);
      PrefetchRows(to.y, to.rows, n);
      Sums(block + i * kBlockStride, to.rows, weights + column * slice.depth, slice.depth, sums);
      if (slice.is_last) {
        Finish(op, sums, to);
      } else {
        Finish(Identity(), sums, to);
      }
      to.y += to.rows * n;
      if (to.addend != nullptr) to.addend += to.rows * n;
    }
  }
}

template <class Op>
void MultiplySlices(const Op& op, const BlockProduct& product, const BlockRange& range, float* block) {
  const int64_t k = product.k, depth = SliceDepth(k);
  for (int64_t first = 0; first < k; first += depth) {
    const Slice slice{first, std::min(depth, k - first), first == 0, first + depth >= k};
    CopyBlock(product, range.row, range.rows, first, slice.depth, block);
    MultiplyPanels(op, product, range, slice, block);
  }
}

void MultiplyRange(const BlockProduct& product, const BlockRange& range, float* block) {
  switch (product.activation) {
    case Activation::kNone: return MultiplySlices(Identity(), product, range, block);
    case Activation::kRelu: return MultiplySlices(Relu(), product, range, block);
    case Activation::kRelu6: return MultiplySlices(Relu6(), product, range, block);
    case Activation::kQuickGelu: return MultiplySlices(QuickGelu(), product, range, block);
    case Activation::kGelu: return MultiplySlices(Gelu(), product, range, block);
    case Activation::kGeluTanh: return MultiplySlices(GeluTanh(), product, range, block);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {
namespace {

// How a product is cut into pieces of work: blocks of rows, and each of these into pieces of panels.
struct Cut {
  // Where there are many blocks of rows, they alone are the pieces, in a number that is fair to all threads. Otherwise
  // the panels are cut too, each piece copying the same block of A: about two pieces a thread even out what else the
  // machine does.
  Cut(int64_t m, int64_t panels, int threads)
      : units((m + kRowsOfUnit - 1) / kRowsOfUnit), blocks((units * kRowsOfUnit + kRowsOfBlock - 1) / kRowsOfBlock) {
    if (blocks >= 2 * threads) {
      blocks = (blocks + threads - 1) / threads * threads;
    } else if (threads > 1) {
      pieces = std::min(panels, (2 * threads + blocks - 1) / blocks);
    }
  }
  // The first row of block i: all but the last are whole register blocks.
  int64_t Row(int64_t i) const { return units * i / blocks * kRowsOfUnit; }

  static constexpr int64_t kRowsOfUnit = 12;  // one or two register blocks
  int64_t units, blocks, pieces = 1;
};

}  // namespace

HWY_EXPORT(PanelWidth);
HWY_EXPORT(PackPanels);
HWY_EXPORT(MultiplyRange);

namespace {

void Multiply(Context& context, const BlockProduct& product) {
  const int64_t width = HWY_DYNAMIC_DISPATCH(PanelWidth)(), panels = (product.n + width - 1) / width;
  const Cut cut(product.m, panels, context.threads());
  const Arena::Scope scope(context.arena());
  const int64_t block_size = std::min(kRowsOfBlock, product.m) * kBlockStride;
  float* blocks = context.arena().Allocate<float>(block_size * context.threads());
  ParallelForRanked(context, cut.blocks * cut.pieces, 1, [&](int64_t first, int64_t last, int rank) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t block = i / cut.pieces, piece = i % cut.pieces, row = cut.Row(block);
      const BlockRange range{row, std::min(product.m, cut.Row(block + 1)) - row, panels * piece / cut.pieces,
                             panels * (piece + 1) / cut.pieces};
      HWY_DYNAMIC_DISPATCH(MultiplyRange)(product, range, blocks + rank * block_size);
    }
  });
}

}  // namespace

BlockWeight PackBlocks(const float* w, int64_t n, int64_t k, WeightOrder order) {
  CHECK(n > 0 && k > 0) << " a weight of " << n << " outputs, " << k << " inputs";
  const int64_t width = HWY_DYNAMIC_DISPATCH(PanelWidth)(), panels = (n + width - 1) / width;
  BlockWeight packed{.n = n, .k = k, .panels = Tensor::Uninitialized(DType::kF32, {panels, k, width})};
  HWY_DYNAMIC_DISPATCH(PackPanels)({w, n, k, order}, 0, panels, packed.panels.mutable_data<float>());
  return packed;
}

void BlockLinear(Context& context, const float* x, int64_t m, const BlockWeight& w, const Epilogue& epilogue,
                 float* y) {
  Multiply(context, {.m = m,
                     .n = w.n,
                     .k = w.k,
                     .a = x,
                     .panels = w.panels.data<float>(),
                     .bias = epilogue.bias,
                     .addend = epilogue.residual,
                     .activation = epilogue.activation,
                     .c = y});
}

void BlockMatMul(Context& context, const MatMulArgs& args) {
  const int64_t width = HWY_DYNAMIC_DISPATCH(PanelWidth)(), panels = (args.n + width - 1) / width;
  const Arena::Scope scope(context.arena());
  float* packed = context.arena().Allocate<float>(panels * args.k * width);
  const PanelSource source{args.b, args.n, args.k, args.transpose_b ? WeightOrder::kOutIn : WeightOrder::kInOut};
  ParallelFor(context, panels, 8, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(PackPanels)(source, begin, end, packed);
  });
  Multiply(context, {.m = args.m,
                     .n = args.n,
                     .k = args.k,
                     .a = args.a,
                     .transpose_a = args.transpose_a,
                     .panels = packed,
                     .bias = args.bias,
                     .addend = args.accumulate ? args.c : args.residual,
                     .activation = Activation::kNone,
                     .c = args.c});
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
