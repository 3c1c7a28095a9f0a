#include "kernels/products/tile_gemm.h"

#include <algorithm>

#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/products/tile_finisher.h"
#include "kernels/products/tile_pack.h"

// Four tiles of sums, 32 rows by 32 columns, are added to by steps of 64 bytes of K: two tiles of x and two of W make
// four products of 16 cycles each. A slice of W, 32 columns by kSliceSteps, stays in L1 (24 KB) while all rows of a
// block pass it, whose copy in tiles stays in L2, as the sums do; the next slice of W is fetched meanwhile, for its
// first use would wait for it. The unit works apart from the vectors, so that the sums of the group of columns before
// are finished (bias, activation, rounding) a few at a time between its products, which hides most of that.
namespace diptych::kernels {
namespace {

constexpr int64_t kSliceSteps = 12;
constexpr int64_t kBlockBytes = 640 << 10;       // of x
constexpr int64_t kRowsOfBlock = 416;
constexpr int64_t kSumsStride = kTileGroup * 4;  // bytes

// How the rows are cut into blocks, and these, where there are too few for all threads, into pieces of groups.
struct Cut {
  Cut(int64_t m, int64_t steps, int64_t groups, int threads) : units((m + kTileUnit - 1) / kTileUnit) {
    const int64_t most = std::clamp(kBlockBytes / (steps * kStepBytes), kTileUnit, kRowsOfBlock) / kTileUnit;
    blocks = (units + most - 1) / most;
    if (blocks >= threads) {
      blocks = std::min(units, (blocks + threads - 1) / threads * threads);
    } else {
      pieces = std::min<int64_t>(groups, 2 * threads);
    }
  }
  int64_t Row(int64_t block) const { return units * block / blocks * kTileUnit; }
  int64_t MostRows() const { return (units + blocks - 1) / blocks * kTileUnit; }

  int64_t units, blocks, pieces = 1;
};

struct TileProduct {
  const NarrowTile& y;  // all of it
  int64_t steps;
  Precision precision;
  const std::byte* w;
  // x, one of the two:
  const Rows* rows = nullptr;
  const FloatMatrix* floats = nullptr;

  int64_t groups() const { return (y.columns + kTileGroup - 1) / kTileGroup; }
  void CopyBlock(int64_t row, int64_t count, std::byte* out) const {
    if (rows != nullptr) {
      CopyRowsToTiles(*rows, row, count, out);
    } else {
      ConvertRowsToTiles(*floats, row, count, out);
    }
  }
};

// One thread's memory.
struct Scratch {
  std::byte* x;        // a block: units of 32 rows; in each its steps; in each two tiles
  std::byte* sums[2];  // (rows, kTileGroup), of two groups
  int64_t block = -1;  // the one that x holds
};

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
DIPTYCH_AMX void MultiplyGroups(const TileProduct& product, const TileTarget& target, int64_t begin, int64_t end,
                                const Scratch& scratch) {
  const int64_t steps = product.steps;
  const int64_t units = (target.rows + kTileUnit - 1) / kTileUnit;
  const bool short_end = target.rows - (units - 1) * kTileUnit <= kTileUnit / 2;
  const std::byte* w = product.w + begin * (kTileGroup / kTileUnit) * steps * kUnitStep;
  Finisher finisher(target);
  for (int64_t group = begin; group < end; ++group) {
    std::byte* sums = scratch.sums[group % 2];
    const int64_t panels = (target.Columns(group) + kTileUnit - 1) / kTileUnit;
    for (int64_t panel = 0; panel < panels; ++panel) {
      for (int64_t first = 0; first < steps; first += kSliceSteps) {
        Slice slice{.w = w, .steps = std::min(kSliceSteps, steps - first), .first = first == 0};
        w += slice.steps * kUnitStep;
        slice.lines = (kUnitStep / 64 + units - 1) / units;
        for (int64_t unit = 0; unit < units; ++unit) {
          const std::byte* x = scratch.x + (unit * steps + first) * kUnitStep;
          std::byte* to = sums + unit * kTileUnit * kSumsStride + panel * kTileUnit * 4;
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

using GroupsFunction = void (*)(const TileProduct&, const TileTarget&, int64_t begin, int64_t end, const Scratch&);

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
GroupsFunction Choose(const NarrowTile& y) {
  if (y.columns % kTileUnit != 0) return MultiplyGroups<kBrains, WholeFinisher>;
  return y.brains != nullptr ? ChooseByActivation<kBrains, true>(y.activation)
                             : ChooseByActivation<kBrains, false>(y.activation);
}

// Pieces [begin, end) of the work.
DIPTYCH_AMX void MultiplyPieces(const TileProduct& product, const Cut& cut, int64_t begin, int64_t end,
                                Scratch& scratch) {
  const int64_t groups = product.groups();
  const bool brains = product.precision == Precision::kBF16;
  const GroupsFunction multiply = brains ? Choose<true>(product.y) : Choose<false>(product.y);
  ConfigureTiles();
  for (int64_t i = begin; i < end; ++i) {
    const int64_t block = i / cut.pieces, piece = i % cut.pieces, row = cut.Row(block);
    const TileTarget target{product.y, row, std::min(product.y.rows, cut.Row(block + 1)) - row};
    if (scratch.block != block) product.CopyBlock(row, target.rows, scratch.x);
    scratch.block = block;
    multiply(product, target, groups * piece / cut.pieces, groups * (piece + 1) / cut.pieces, scratch);
  }
  _tile_release();
}

void Multiply(Context& context, const TileProduct& product) {
  const Cut cut(product.y.rows, product.steps, product.groups(), context.threads());
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const auto allocate = [&](int64_t bytes) {
    return static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(bytes)));
  };
  Scratch* scratches = arena.Allocate<Scratch>(context.threads());
  for (int rank = 0; rank < context.threads(); ++rank) {
    Scratch& scratch = scratches[rank];
    scratch.block = -1;
    scratch.x = allocate(cut.MostRows() * product.steps * kStepBytes);
    for (std::byte*& sums : scratch.sums) sums = allocate(cut.MostRows() * kSumsStride);
  }
  ParallelForRanked(context, cut.blocks * cut.pieces, 1, [&](int64_t begin, int64_t end, int rank) {
    MultiplyPieces(product, cut, begin, end, scratches[rank]);
  });
}

}  // namespace

bool HasTiles() {
  static const bool has = [] {
    constexpr int kAmx = static_cast<int>(dnnl::cpu_isa::avx512_core_amx);  // sets of instructions are bits
    return (static_cast<int>(dnnl::get_effective_cpu_isa()) & kAmx) == kAmx;
  }();
  return has;
}

void MultiplyTiles(Context& context, const Rows& x, const std::byte* tiles, const NarrowTile& y) {
  CHECK(HasTiles());
  const int64_t steps = StepsOf(static_cast<int64_t>(x.row_bytes()));
  Multiply(context, {.y = y, .steps = steps, .precision = x.type, .w = tiles, .rows = &x});
}

void TileMatMul(Context& context, const MatMulArgs& args) {
  CHECK(HasTiles());
  const FloatMatrix a{args.a, args.m, args.k, !args.transpose_a}, b{args.b, args.n, args.k, args.transpose_b};
  const Arena::Scope scope(context.arena());
  const int64_t panels = (args.n + kTileUnit - 1) / kTileUnit, panel_bytes = b.steps() * kUnitStep;
  std::byte* w = static_cast<std::byte*>(context.arena().AllocateBytes(static_cast<size_t>(panels * panel_bytes)));
  const int64_t grain = (panels + 2 * context.threads() - 1) / (2 * context.threads());
  ParallelFor(context, panels, grain, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kTileUnit;
    ConvertColumnsToTiles(b, first, std::min(args.n, end * kTileUnit) - first, w + begin * panel_bytes);
  });
  const NarrowTile y{.rows = args.m,
                     .columns = args.n,
                     .bias = args.bias,
                     .residual = args.accumulate ? args.c : args.residual,
                     .stride = args.n,
                     .y = args.c};
  Multiply(context, {.y = y, .steps = b.steps(), .precision = Precision::kBF16, .w = w, .floats = &a});
}

}  // namespace diptych::kernels
