#include "kernels/block_gemm.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/simd_targets.h"

// The usual three levels (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008): a block of
// x of up to kDepth columns and kRowsOfBlock rows is copied to memory of its own, which stays in L2 (190 KB); a panel
// of W, kDepth deep and two vectors wide, stays in L1 (24 KB with AVX2); 6 x 2 vectors of y stay in registers. On Zen 3
// a depth of 256 and 240 rows was 6 % slower for wide outputs, whose sums of a slice then go to L3 and back.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/block_gemm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation_inl.h"
#include "kernels/register_block_inl.h"
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

struct BlockProduct {
  const float* x;
  int64_t m;
  const BlockWeight& w;
  const Epilogue& epilogue;
  float* y;
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
    TransposeFour({in.data + column * in.stride, in.stride}, depth, 1.0f, out + column);
  }
  for (; column < kTile; ++column) {
    for (int64_t i = 0; i < depth; ++i) {
      out[i * kTile + column] = column < columns ? in.data[column * in.stride + i] : 0.0f;
    }
  }
}

// The same of a weight whose rows are those of the panel. in[i * stride + column].
void PackPanelOfColumns(const Rows& in, int64_t depth, int64_t columns, float* out) {
  for (int64_t i = 0; i < depth; ++i, out += kTile) {
    std::copy_n(in.data + i * in.stride, columns, out);
    std::fill(out + columns, out + kTile, 0.0f);
  }
}

// Slices of K; in each the panels in order; in each its rows of kTile values.
void PackPanels(const float* w, int64_t n, int64_t k, WeightOrder order, float* out) {
  const int64_t slice = SliceDepth(k);
  for (int64_t first = 0; first < k; first += slice) {
    const int64_t depth = std::min(k - first, slice);
    for (int64_t column = 0; column < n; column += kTile, out += depth * kTile) {
      const int64_t columns = std::min<int64_t>(kTile, n - column);
      if (order == WeightOrder::kOutIn) {
        PackPanelOfRows({w + column * k + first, k}, depth, columns, out);
      } else {
        PackPanelOfColumns({w + first * n + column, n}, depth, columns, out);
      }
    }
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
HWY_INLINE void SumsOf(const Rows& x, const float* panel, int64_t depth, float* sums) {
  V acc[kBlock][2];
  MultiplyBlock<kRows, 2>(x.data, x.stride, 1, {panel, kTile}, depth, acc);
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < 2; ++v) hn::Store(acc[i][v], Floats(), sums + i * kTile + v * kLanes);
  }
}

void Sums(const Rows& x, int rows, const float* panel, int64_t depth, float* sums) {
  switch (rows) {
    case 1: return SumsOf<1>(x, panel, depth, sums);
    case 2: return SumsOf<2>(x, panel, depth, sums);
    case 3: return SumsOf<3>(x, panel, depth, sums);
    case 4: return SumsOf<4>(x, panel, depth, sums);
    case 5: return SumsOf<5>(x, panel, depth, sums);
    default: return SumsOf<6>(x, panel, depth, sums);
  }
}

// Rows of the next register block. Up to 4 rows take as long as 4, for the latency of their sums: 7 are better done as
// 4 + 3 than as 6 + 1.
HWY_INLINE int NextRows(int64_t rows) {
  if (rows <= kBlock) return static_cast<int>(rows);
  return rows < 2 * kBlock ? static_cast<int>((rows + 1) / 2) : kBlock;
}

// One block of x times panels [begin, end) of one slice.
struct Slice {
  int64_t first, depth;
  bool is_first, is_last;
};
template <class Op>
void MultiplyPanels(const Op& op, const BlockProduct& product, const Slice& slice, const Rows& block, int64_t row,
                    int64_t begin, int64_t end) {
  const int64_t n = product.w.n, panels = (n + kTile - 1) / kTile;
  const int64_t rows = std::min(kRowsOfBlock, product.m - row);
  const float* weights = product.w.panels.data<float>() + slice.first * panels * kTile;
  HWY_ALIGN float sums[kBlock * kTile];
  for (int64_t panel = begin; panel < end; ++panel) {
    const int64_t column = panel * kTile;
    // The first slice adds bias and residual, the others what is in y, so that the residual may be y.
    Destination to{.y = product.y + row * n + column, .stride = n, .columns = std::min<int64_t>(kTile, n - column)};
    to.addend = slice.is_first ? product.epilogue.residual : product.y;
    if (to.addend != nullptr) to.addend += row * n + column;
    if (slice.is_first && product.epilogue.bias != nullptr) to.bias = product.epilogue.bias + column;
    const float* panel_weights = weights + column * slice.depth;
    for (int64_t i = 0; i < rows; i += to.rows) {
      to.rows = NextRows(rows - i);
      Sums({block.data + i * block.stride, block.stride}, to.rows, panel_weights, slice.depth, sums);
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
void MultiplyAll(const Op& op, const BlockProduct& product, int64_t begin, int64_t end, float* block) {
  const int64_t k = product.w.k, depth = SliceDepth(k);
  for (int64_t row = 0; row < product.m; row += kRowsOfBlock) {
    const int64_t rows = std::min(kRowsOfBlock, product.m - row);
    for (int64_t first = 0; first < k; first += depth) {
      const Slice slice{first, std::min(depth, k - first), first == 0, first + depth >= k};
      if (depth == k) {  // the rows are short: they serve as they are
        MultiplyPanels(op, product, slice, {product.x + row * k, k}, row, begin, end);
        continue;
      }
      for (int64_t i = 0; i < rows; ++i) {
        std::copy_n(product.x + (row + i) * k + first, slice.depth, block + i * kBlockStride);
      }
      MultiplyPanels(op, product, slice, {block, kBlockStride}, row, begin, end);
    }
  }
}

// Panels [begin, end) of y, all rows.
void MultiplyRange(const BlockProduct& product, int64_t begin, int64_t end, float* block) {
  switch (product.epilogue.activation) {
    case Activation::kNone: return MultiplyAll(Identity(), product, begin, end, block);
    case Activation::kRelu: return MultiplyAll(Relu(), product, begin, end, block);
    case Activation::kRelu6: return MultiplyAll(Relu6(), product, begin, end, block);
    case Activation::kQuickGelu: return MultiplyAll(QuickGelu(), product, begin, end, block);
    case Activation::kGelu: return MultiplyAll(Gelu(), product, begin, end, block);
    case Activation::kGeluTanh: return MultiplyAll(GeluTanh(), product, begin, end, block);
  }
}

}  // namespace diptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace diptych::kernels {

HWY_EXPORT(PanelWidth);
HWY_EXPORT(PackPanels);
HWY_EXPORT(MultiplyRange);

BlockWeight PackBlocks(const float* w, int64_t n, int64_t k, WeightOrder order) {
  CHECK(n > 0 && k > 0) << " a weight of " << n << " outputs, " << k << " inputs";
  const int64_t width = HWY_DYNAMIC_DISPATCH(PanelWidth)();
  BlockWeight packed{.n = n, .k = k, .panels = Tensor::Uninitialized(DType::kF32, {(n + width - 1) / width, k, width})};
  HWY_DYNAMIC_DISPATCH(PackPanels)(w, n, k, order, packed.panels.mutable_data<float>());
  return packed;
}

void BlockLinear(Context& context, const float* x, int64_t m, const BlockWeight& w, const Epilogue& epilogue,
                 float* y) {
  const int64_t panels = w.panels.shape()[0], threads = context.threads();
  const Arena::Scope scope(context.arena());
  const int64_t block_size = std::min(kRowsOfBlock, m) * kBlockStride;
  float* blocks = context.arena().Allocate<float>(block_size * threads);
  // Each piece copies the blocks of x again, so pieces are few: two a thread even out what else the machine does.
  const int64_t grain = threads == 1 ? panels : (panels + 2 * threads - 1) / (2 * threads);
  ParallelForRanked(context, panels, grain, [&](int64_t begin, int64_t end, int rank) {
    const BlockProduct product{x, m, w, epilogue, y};
    HWY_DYNAMIC_DISPATCH(MultiplyRange)(product, begin, end, blocks + rank * block_size);
  });
}

}  // namespace diptych::kernels
#endif  // HWY_ONCE
