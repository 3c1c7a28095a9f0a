#include "kernels/products/narrow_gemm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <compare>
#include <map>
#include <mutex>

#include "kernels/convert.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/products/narrow_epilogue.h"
#include "kernels/products/product_work.h"
#include "kernels/products/tile_gemm.h"
#include "kernels/runtime.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

// The sums of a tile stay in L2 until they are finished: rows x columns x 4 bytes. Fewer rows would read the weights
// too often.
constexpr int64_t kTileRows = 256;
constexpr int64_t kTileColumns = 512;

struct Types {
  Type x, w, sums;
};
Types TypesOf(Precision precision) {
  if (precision == Precision::kBF16) return {Type::bf16, Type::bf16, Type::f32};
  return {Type::u8, Type::s8, Type::s32};
}

memory::desc PlainDesc(int64_t rows, int64_t columns, Type type) {
  return {{rows, columns}, type, Tag::ab};
}

// No bias, scale or activation: with any of them the library's kernels for AMX are many times slower than the pass
// over the tile that replaces them.
dnnl::matmul::primitive_desc Plan(int64_t m, int64_t n, int64_t k, Precision precision, const memory::desc& weights) {
  const Types types = TypesOf(precision);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return dnnl::matmul::primitive_desc(Engine(), PlainDesc(m, k, types.x), weights, PlainDesc(m, n, types.sums),
                                      attributes);
}

// A weight's layout is the one that the library likes for this many rows; it is the same for nearly all.
memory::desc PackedDesc(int64_t n, int64_t k, Precision precision) {
  const memory::desc any({k, n}, TypesOf(precision).w, Tag::any);
  return Plan(kTileRows, n, k, precision, any).weights_desc();
}

struct Key {
  int64_t m, n, k;
  Precision precision;
  friend auto operator<=>(const Key&, const Key&) = default;
};
struct Entry {
  memory::desc x, w, sums, scratch;
  dnnl::matmul product;
};

// Shared by all weights of one shape, and kept.
const Entry& EntryOf(const Key& key) {
  static auto* mutex = new std::mutex;
  static auto* entries = new std::map<Key, Entry>;  // never destroyed: the library may be gone by then
  const std::lock_guard lock(*mutex);
  const auto found = entries->find(key);
  if (found != entries->end()) return found->second;
  Entry& entry = (*entries)[key];  // a map's nodes do not move
  CheckedDnnl([&] {
    const ScopedTeam team(1);
    const memory::desc packed = PackedDesc(key.n, key.k, key.precision);
    const dnnl::matmul::primitive_desc desc = Plan(key.m, key.n, key.k, key.precision, packed);
    entry = {desc.src_desc(), packed, desc.dst_desc(), desc.scratchpad_desc(), dnnl::matmul(desc)};
    RegisterImplementation(desc.impl_info_str());
  });
  return entry;
}

void RunEntry(const Entry& entry, const void* x, const void* w, void* sums, void* scratch) {
  const MemoryView x_view(entry.x, x), w_view(entry.w, w), sums_view(entry.sums, sums);
  const MemoryView scratch_view(entry.scratch, scratch);
  Execute(entry.product, std::array<dnnl_exec_arg_t, 4>{{{DNNL_ARG_SRC, x_view.get()},
                                                         {DNNL_ARG_WEIGHTS, w_view.get()},
                                                         {DNNL_ARG_DST, sums_view.get()},
                                                         {DNNL_ARG_SCRATCHPAD, scratch_view.get()}}});
}

// Without VNNI, pairs of u8 x s8 are added in 16 bits, which holds 255 x 64 twice but not 255 x 127.
int LevelsOfInt8() {
  static const int levels = [] {
    switch (dnnl::get_effective_cpu_isa()) {
      case dnnl::cpu_isa::sse41:
      case dnnl::cpu_isa::avx:
      case dnnl::cpu_isa::avx2:
      case dnnl::cpu_isa::avx512_core: return 63;
      default: return 127;
    }
  }();
  return levels;
}

// The scale with the least squared error among a few below largest / levels.
float BestScale(const float* w, int64_t k, int levels) {
  float largest = 0;
  for (int64_t i = 0; i < k; ++i) largest = std::max(largest, std::abs(w[i]));
  if (largest == 0) return 0;
  const auto error = [&](float scale) {
    const float inverse = 1 / scale, limit = static_cast<float>(levels);
    float sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      const float difference = std::clamp(std::nearbyint(w[i] * inverse), -limit, limit) * scale - w[i];
      sum += difference * difference;
    }
    return sum;
  };
  float best = largest / static_cast<float>(levels), least = error(best);
  for (const float share : {0.9f, 0.8f, 0.7f}) {
    const float scale = share * largest / static_cast<float>(levels), e = error(scale);
    if (e < least) {
      least = e;
      best = scale;
    }
  }
  return best;
}

// Rows of w as levels, and what belongs to them.
void Quantize(const float* w, int64_t n, int64_t k, NarrowWeight& weight, int8_t* y) {
  constexpr int32_t kZeroPoint = 128;
  const int levels = LevelsOfInt8();
  const float limit = static_cast<float>(levels);
  for (int64_t row = 0; row < n; ++row, w += k, y += k) {
    const float scale = BestScale(w, k, levels), inverse = scale > 0 ? 1 / scale : 0;
    int32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      y[i] = static_cast<int8_t>(std::clamp(std::nearbyint(w[i] * inverse), -limit, limit));
      sum += y[i];
    }
    weight.scales.push_back(scale);
    weight.offsets.push_back(kZeroPoint * sum);
  }
}

// By the library: blocks of rows times groups of columns.
void MultiplyByLibrary(Context& context, const Rows& x, const NarrowWeight& w, const NarrowTile& y) {
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t m = y.rows, groups = static_cast<int64_t>(w.packed.size());
  const int64_t blocks = (m + kTileRows - 1) / kTileRows;
  const auto rows_of = [&](int64_t block) { return std::min(kTileRows, m - block * kTileRows); };
  const auto entry_of = [&](int64_t block, int64_t group) -> const Entry& {
    const int64_t rows = (rows_of(block) + kRowUnit - 1) / kRowUnit * kRowUnit;
    return EntryOf({rows, std::min(w.group, w.n - group * w.group), w.k, w.precision});
  };
  // At most four different primitives: the last block and the last group may be smaller.
  std::array<const Entry*, 4> entries{};
  size_t scratch_bytes = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i] = &entry_of(i < 2 ? 0 : blocks - 1, i % 2 == 0 ? 0 : groups - 1);
    scratch_bytes = std::max(scratch_bytes, entries[i]->scratch.get_size());
  }
  const int threads = context.threads();
  const size_t sums_bytes = static_cast<size_t>(kTileRows * w.group) * 4;
  std::byte* sums = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(threads) * sums_bytes));
  scratch_bytes = (scratch_bytes + 63) / 64 * 64;
  std::byte* scratch = static_cast<std::byte*>(arena.AllocateBytes(static_cast<size_t>(threads) * scratch_bytes));
  ParallelForRanked(context, blocks * groups, 1, [&](int64_t begin, int64_t end, int rank) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / groups, group = task % groups, row = block * kTileRows;
      const Entry& entry = *entries[static_cast<size_t>((block + 1 == blocks ? 2 : 0) + (group + 1 == groups ? 1 : 0))];
      std::byte* tile_sums = sums + static_cast<size_t>(rank) * sums_bytes;
      RunEntry(entry, x.row(row), w.packed[static_cast<size_t>(group)].data<uint8_t>(), tile_sums,
               scratch + static_cast<size_t>(rank) * scratch_bytes);
      FinishTile(y.Part(row, rows_of(block), group, w.group, tile_sums, std::min(w.group, w.n - group * w.group)));
    }
  });
}

}  // namespace

Precision EffectivePrecision(Precision precision) {
  return precision == Precision::kBF16 && !HasFastBf16() ? Precision::kF32 : precision;
}

NarrowWeight PackNarrow(const float* w, int64_t n, int64_t k, WeightOrder order, Precision precision) {
  NarrowWeight weight{.precision = precision, .n = n, .k = k};
  std::vector<float> rows;  // (N, K)
  if (order == WeightOrder::kInOut) {
    rows.resize(static_cast<size_t>(n * k));
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < n; ++j) rows[static_cast<size_t>(j * k + i)] = w[i * n + j];
    }
    w = rows.data();
  }
  std::vector<uint8_t> narrow(static_cast<size_t>(n * k) * (precision == Precision::kBF16 ? 2 : 1));
  if (precision == Precision::kBF16) {
    FromFloat(w, n * k, DType::kBF16, narrow.data());
  } else {
    Quantize(w, n, k, weight, reinterpret_cast<int8_t*>(narrow.data()));
  }
  const size_t row_bytes = narrow.size() / static_cast<size_t>(n);
  if (HasTiles()) {
    weight.group = kTileGroup;
    weight.tiles = PackTiles(reinterpret_cast<const std::byte*>(narrow.data()), n, static_cast<int64_t>(row_bytes));
    RegisterImplementation("diptych:tile_gemm");
    return weight;
  }
  const int64_t groups = (n + kTileColumns - 1) / kTileColumns;
  weight.group = std::min(n, ((n + groups - 1) / groups + 15) / 16 * 16);
  for (int64_t first = 0; first < n; first += weight.group) {
    const int64_t columns = std::min(weight.group, n - first);
    CheckedDnnl([&] {
      const memory::desc packed = PackedDesc(columns, k, precision);
      weight.packed.emplace_back(DType::kU8, Shape{static_cast<int64_t>(packed.get_size())});
      Reorder(memory({{k, columns}, TypesOf(precision).w, Tag::ba}, Engine(),
                     narrow.data() + static_cast<size_t>(first) * row_bytes),
              memory(packed, Engine(), weight.packed.back().mutable_data<uint8_t>()));
    });
  }
  return weight;
}

void NarrowLinear(Context& context, const Rows& x, int64_t m, const NarrowWeight& w, const Epilogue& epilogue,
                  const MutableRows& y) {
  CHECK(x.type == w.precision && x.k == w.k && y.k == w.n);
  const double size = BytesOf(w.precision);
  context.AddWork(ProductWork(m, w.n, w.k, {.x = size, .w = size, .y = BytesOf(y.type)}));
  Arena& arena = context.arena();
  const Arena::Scope scope(arena);
  const int64_t groups = (w.n + w.group - 1) / w.group;
  const bool quantize = y.type == Precision::kInt8;
  NarrowTile out{.rows = m,
                 .columns = w.n,
                 .bias = epilogue.bias,
                 .residual = epilogue.residual,
                 .activation = epilogue.activation,
                 .stride = w.n};
  switch (y.type) {
    case Precision::kF32: out.y = y.floats(); break;
    case Precision::kBF16: out.brains = reinterpret_cast<uint16_t*>(y.data); break;
    case Precision::kInt8: out.brains = arena.Allocate<uint16_t>(m * w.n); break;
  }
  if (quantize) out.largest = arena.Allocate<float>(groups * m);
  if (w.precision == Precision::kInt8) {
    out.row_scales = x.scales;
    out.column_scales = w.scales.data();
    out.offsets = w.offsets.data();
  }
  if (w.packed.empty()) {
    MultiplyTiles(context, x, reinterpret_cast<const std::byte*>(w.tiles.data<uint8_t>()), out);
  } else {
    MultiplyByLibrary(context, x, w, out);
  }
  if (!quantize) return;
  float* largest = out.largest;
  for (int64_t group = 1; group < groups; ++group) {
    for (int64_t i = 0; i < m; ++i) largest[i] = std::max(largest[i], largest[group * m + i]);
  }
  ParallelFor(context, m, kRowUnit, [&](int64_t begin, int64_t end) {
    MutableRows part = y;
    part.data = y.row(begin);
    part.scales = y.scales + begin;
    QuantizeRows(out.brains + begin * w.n, largest + begin, end - begin, part);
  });
}

}  // namespace diptych::kernels
