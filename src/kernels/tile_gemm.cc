#include "kernels/tile_gemm.h"

#include <algorithm>
#include <cstring>

#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/tile_finisher.h"

// Four tiles of sums, 32 rows by 32 columns, are added to by steps of 64 bytes of K: two tiles of x and two of W make
// four products of 16 cycles each. A slice of W, 32 columns by kSliceSteps, stays in L1 (24 KB) while all rows of a
// block pass it, whose copy in tiles stays in L2, as the sums do; the next slice of W is fetched meanwhile, for its
// first use would wait for it. The unit works apart from the vectors, so that the sums of the group of columns before
// are finished (bias, activation, rounding) a few at a time between its products, which hides most of that.
namespace diptych::kernels {
namespace {

constexpr int64_t kRowsOfUnit = 32;
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kStepBytes = 64;               // of a row
constexpr int64_t kUnitStep = 2 * kTileBytes;    // a step of 32 rows of x, or of 32 columns of W
constexpr int64_t kPanel = 32;                   // columns
constexpr int64_t kSliceSteps = 12;
constexpr int64_t kBlockBytes = 640 << 10;       // of x
constexpr int64_t kRowsOfBlock = 416;
constexpr int64_t kSumsStride = kTileGroup * 4;  // bytes

int64_t StepsOf(int64_t row_bytes) {
  return (row_bytes + kStepBytes - 1) / kStepBytes;
}

// How the rows are cut into blocks, and these, where there are too few for all threads, into pieces of groups.
struct Cut {
  Cut(int64_t m, int64_t steps, int64_t groups, int threads) : units((m + kRowsOfUnit - 1) / kRowsOfUnit) {
    const int64_t most = std::clamp(kBlockBytes / (steps * kStepBytes), kRowsOfUnit, kRowsOfBlock) / kRowsOfUnit;
    blocks = (units + most - 1) / most;
    if (blocks >= threads) {
      blocks = std::min(units, (blocks + threads - 1) / threads * threads);
    } else {
      pieces = std::min<int64_t>(groups, 2 * threads);
    }
  }
  int64_t Row(int64_t block) const { return units * block / blocks * kRowsOfUnit; }
  int64_t MostRows() const { return (units + blocks - 1) / blocks * kRowsOfUnit; }

  int64_t units, blocks, pieces = 1;
};

// One thread's memory.
struct Scratch {
  std::byte* x;        // a block: units of 32 rows; in each its steps; in each two tiles
  std::byte* sums[2];  // (rows, kTileGroup), of two groups
  int64_t block = -1;  // the one that x holds
};

// Rows [row, row + rows) in tiles, zeros behind them.
DIPTYCH_AMX void CopyRows(const Rows& x, int64_t row, int64_t rows, std::byte* out) {
  const int64_t bytes = static_cast<int64_t>(x.row_bytes()), steps = StepsOf(bytes), rest = bytes % kStepBytes;
  const __mmask64 last = rest == 0 ? ~__mmask64{0} : (__mmask64{1} << rest) - 1;
  for (int64_t unit = 0; unit < rows; unit += kRowsOfUnit, out += steps * kUnitStep) {
    for (int64_t i = 0; i < kRowsOfUnit; ++i) {
      std::byte* to = out + i * kStepBytes;
      if (unit + i >= rows) {
        for (int64_t step = 0; step < steps; ++step) _mm512_store_si512(to + step * kUnitStep, _mm512_setzero_si512());
        continue;
      }
      const std::byte* from = x.row(row + unit + i);
      for (int64_t step = 0; step + 1 < steps; ++step) {
        _mm512_store_si512(to + step * kUnitStep, _mm512_loadu_si512(from + step * kStepBytes));
      }
      _mm512_store_si512(to + (steps - 1) * kUnitStep, _mm512_maskz_loadu_epi8(last, from + (steps - 1) * kStepBytes));
    }
  }
}

struct Slice {
  const std::byte* w;
  int64_t steps;
  bool first;
  const std::byte* ahead;  // what will be needed of W: `lines` cache lines at each step
  int64_t lines;
};

// The intrinsics want literal numbers of registers.
#define DIPTYCH_MULTIPLY_TILES(sums, x, w) \
  if constexpr (kBrains) {                 \
    _tile_dpbf16ps(sums, x, w);            \
  } else {                                 \
    _tile_dpbusd(sums, x, w);              \
  }

// sums (32, 32) or, unless kBoth, (16, 32) += x W of one slice.
template <bool kBrains, bool kBoth, class Finisher>
DIPTYCH_AMX inline void MultiplySlice(const std::byte* x, const Slice& slice, std::byte* sums, Finisher& finisher) {
  std::byte* lower = sums + 16 * kSumsStride;
  if (slice.first) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (kBoth) {
      _tile_zero(2);
      _tile_zero(3);
    }
  } else {
    _tile_loadd(0, sums, kSumsStride);
    _tile_loadd(1, sums + 64, kSumsStride);
    if constexpr (kBoth) {
      _tile_loadd(2, lower, kSumsStride);
      _tile_loadd(3, lower + 64, kSumsStride);
    }
  }
  const std::byte *w = slice.w, *ahead = slice.ahead;
  for (int64_t step = 0; step < slice.steps; ++step, x += kUnitStep, w += kUnitStep) {
    _tile_loadd(4, x, 64);
    _tile_loadd(6, w, 64);
    _tile_loadd(7, w + kTileBytes, 64);
    DIPTYCH_MULTIPLY_TILES(0, 4, 6);
    DIPTYCH_MULTIPLY_TILES(1, 4, 7);
    if constexpr (kBoth) {
      _tile_loadd(5, x + kTileBytes, 64);
      DIPTYCH_MULTIPLY_TILES(2, 5, 6);
      DIPTYCH_MULTIPLY_TILES(3, 5, 7);
    }
    for (int64_t line = 0; line < slice.lines; ++line, ahead += 64) _mm_prefetch(ahead, _MM_HINT_T1);
    finisher.Step();
  }
  _tile_stored(0, sums, kSumsStride);
  _tile_stored(1, sums + 64, kSumsStride);
  if constexpr (kBoth) {
    _tile_stored(2, lower, kSumsStride);
    _tile_stored(3, lower + 64, kSumsStride);
  }
}

#undef DIPTYCH_MULTIPLY_TILES

// Groups [begin, end) of a block's columns.
template <bool kBrains, class Finisher>
DIPTYCH_AMX void MultiplyGroups(const TileTarget& target, int64_t begin, int64_t end, const Scratch& scratch) {
  const NarrowProduct& product = target.product;
  const int64_t steps = StepsOf(static_cast<int64_t>(product.x.row_bytes()));
  const int64_t units = (target.rows + kRowsOfUnit - 1) / kRowsOfUnit;
  const bool short_end = target.rows - (units - 1) * kRowsOfUnit <= kRowsOfUnit / 2;
  const std::byte* w = reinterpret_cast<const std::byte*>(product.w.tiles.data<uint8_t>());
  w += begin * (kTileGroup / kPanel) * steps * kUnitStep;
  Finisher finisher(target);
  for (int64_t group = begin; group < end; ++group) {
    std::byte* sums = scratch.sums[group % 2];
    const int64_t panels = (product.Columns(group) + kPanel - 1) / kPanel;
    for (int64_t panel = 0; panel < panels; ++panel) {
      for (int64_t first = 0; first < steps; first += kSliceSteps) {
        Slice slice{.w = w, .steps = std::min(kSliceSteps, steps - first), .first = first == 0};
        w += slice.steps * kUnitStep;
        slice.lines = (kUnitStep / 64 + units - 1) / units;
        for (int64_t unit = 0; unit < units; ++unit) {
          const std::byte* x = scratch.x + (unit * steps + first) * kUnitStep;
          std::byte* to = sums + unit * kRowsOfUnit * kSumsStride + panel * kPanel * 4;
          slice.ahead = w + unit * slice.steps * slice.lines * 64;
          if (short_end && unit + 1 == units) {
            MultiplySlice<kBrains, false>(x, slice, to, finisher);
          } else {
            MultiplySlice<kBrains, true>(x, slice, to, finisher);
          }
        }
      }
    }
    finisher.Begin(group, sums, panels * steps * units);
  }
  finisher.Finish();
}

using GroupsFunction = void (*)(const TileTarget&, int64_t begin, int64_t end, const Scratch&);

template <bool kBrains, bool kToBrains>
GroupsFunction ChooseByActivation(Activation activation) {
  constexpr bool kScaled = !kBrains;
  switch (activation) {
    case Activation::kNone: return MultiplyGroups<kBrains, StepFinisher<kScaled, kToBrains, Activation::kNone>>;
    case Activation::kRelu: return MultiplyGroups<kBrains, StepFinisher<kScaled, kToBrains, Activation::kRelu>>;
    case Activation::kRelu6: return MultiplyGroups<kBrains, StepFinisher<kScaled, kToBrains, Activation::kRelu6>>;
    default: break;
  }
  if constexpr (kToBrains) {  // what goes out as fp32 is exact
    switch (activation) {
      case Activation::kQuickGelu: return MultiplyGroups<kBrains, StepFinisher<kScaled, true, Activation::kQuickGelu>>;
      case Activation::kGelu: return MultiplyGroups<kBrains, StepFinisher<kScaled, true, Activation::kGelu>>;
      case Activation::kGeluTanh: return MultiplyGroups<kBrains, StepFinisher<kScaled, true, Activation::kGeluTanh>>;
      default: break;
    }
  }
  return MultiplyGroups<kBrains, WholeFinisher>;
}

template <bool kBrains>
GroupsFunction Choose(const NarrowProduct& product) {
  if (product.w.n % kPanel != 0) return MultiplyGroups<kBrains, WholeFinisher>;
  const Activation activation = product.epilogue.activation;
  return product.brains != nullptr ? ChooseByActivation<kBrains, true>(activation)
                                   : ChooseByActivation<kBrains, false>(activation);
}

// Pieces [begin, end) of the work.
DIPTYCH_AMX void MultiplyPieces(const NarrowProduct& product, const Cut& cut, int64_t begin, int64_t end,
                                Scratch& scratch) {
  const int64_t groups = (product.w.n + kTileGroup - 1) / kTileGroup;
  const GroupsFunction multiply = product.w.precision == Precision::kBF16 ? Choose<true>(product)
                                                                          : Choose<false>(product);
  ConfigureTiles();
  for (int64_t i = begin; i < end; ++i) {
    const int64_t block = i / cut.pieces, piece = i % cut.pieces, row = cut.Row(block);
    const TileTarget target{product, row, std::min(product.m, cut.Row(block + 1)) - row};
    if (scratch.block != block) CopyRows(product.x, row, target.rows, scratch.x);
    scratch.block = block;
    multiply(target, groups * piece / cut.pieces, groups * (piece + 1) / cut.pieces, scratch);
  }
  _tile_release();
}

}  // namespace

bool HasTiles() {
  static const bool has = [] {
    constexpr int kAmx = static_cast<int>(dnnl::cpu_isa::avx512_core_amx);  // sets of instructions are bits
    return (static_cast<int>(dnnl::get_effective_cpu_isa()) & kAmx) == kAmx;
  }();
  return has;
}

// Panels of 32 columns, in each its steps, in each two tiles. A row of a tile holds one dword of each of 16 columns.
DIPTYCH_AMX Tensor PackTiles(const std::byte* w, int64_t n, int64_t row_bytes) {
  const int64_t panels = (n + kPanel - 1) / kPanel, steps = StepsOf(row_bytes);
  Tensor tiles = Tensor::Uninitialized(DType::kU8, {panels, steps, kUnitStep});
  std::byte* out = reinterpret_cast<std::byte*>(tiles.mutable_data<uint8_t>());
  for (int64_t first = 0; first < panels * kPanel; first += kPanel) {
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t bytes = std::min(kStepBytes, row_bytes - step * kStepBytes);
      for (int64_t half = 0; half < kPanel; half += 16, out += kTileBytes) {
        const int64_t columns = std::clamp<int64_t>(n - first - half, 0, 16);
        alignas(64) std::byte rows[16][kStepBytes] = {};
        for (int64_t i = 0; i < columns; ++i) {
          std::memcpy(rows[i], w + (first + half + i) * row_bytes + step * kStepBytes, static_cast<size_t>(bytes));
        }
        __m512i tile[16];
        for (int i = 0; i < 16; ++i) tile[i] = _mm512_load_si512(rows[i]);
        Transpose(tile);
        for (int i = 0; i < 16; ++i) _mm512_store_si512(out + i * kStepBytes, tile[i]);
      }
    }
  }
  return tiles;
}

void MultiplyTiles(Context& context, const NarrowProduct& product) {
  CHECK(HasTiles());
  CHECK_EQ(product.w.group, kTileGroup);
  const int64_t m = product.m, steps = StepsOf(static_cast<int64_t>(product.x.row_bytes()));
  const int64_t groups = (product.w.n + kTileGroup - 1) / kTileGroup;
  const Cut cut(m, steps, groups, context.threads());
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  Scratch* scratches = arena.Allocate<Scratch>(context.threads());
  for (int rank = 0; rank < context.threads(); ++rank) {
    Scratch& scratch = scratches[rank];
    scratch.block = -1;
    scratch.x = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(cut.MostRows() * steps * kStepBytes)));
    for (std::byte*& sums : scratch.sums) {
      sums = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(cut.MostRows() * kSumsStride)));
    }
  }
  ParallelForRanked(context, cut.blocks * cut.pieces, 1, [&](int64_t begin, int64_t end, int rank) {
    MultiplyPieces(product, cut, begin, end, scratches[rank]);
  });
}

}  // namespace diptych::kernels
