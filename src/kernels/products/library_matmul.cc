#include "kernels/products/library_matmul.h"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <map>
#include <mutex>
#include <string>

#include "kernels/convert.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/runtime.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

// All that distinguishes two primitives.
struct Key {
  int64_t m, n, k;
  bool transpose_a, transpose_b, bias, sum;
  Precision precision;
  int threads;

  friend auto operator<=>(const Key&, const Key&) = default;
};

// B arrives plain in fp32 and is brought into the layout and type that the product likes best.
struct Entry {
  memory::desc a, b, bias, c, scratch;  // of the product
  memory::desc plain_b;
  dnnl::matmul product;
  dnnl::reorder pack_b;
};

memory::desc Plain(int64_t rows, int64_t columns, bool transposed, Type type) {
  return {{rows, columns}, type, transposed ? Tag::ba : Tag::ab};
}

Type TypeOf(Precision precision) {
  return precision == Precision::kBF16 ? Type::bf16 : Type::f32;
}

dnnl::matmul::primitive_desc Plan(const Key& key) {
  const Type type = TypeOf(key.precision);
  return dnnl::matmul::primitive_desc(
      Engine(), Plain(key.m, key.k, key.transpose_a, type), memory::desc({key.k, key.n}, type, Tag::any),
      key.bias ? Plain(1, key.n, false, Type::f32) : memory::desc(), Plain(key.m, key.n, false, Type::f32),
      AttributesOf({.residual = key.sum}), /*allow_empty=*/true);
}

void Build(const Key& key, Entry& entry) {
  CheckedDnnl([&] {
    const dnnl::matmul::primitive_desc desc = Plan(key);
    CHECK(static_cast<bool>(desc)) << " no product of " << key.m << " x " << key.n << " x " << key.k;
    entry.product = dnnl::matmul(desc);
    entry.a = desc.src_desc();
    entry.b = desc.weights_desc();
    entry.bias = desc.bias_desc();
    entry.c = desc.dst_desc();
    entry.scratch = desc.scratchpad_desc();
    entry.plain_b = Plain(key.k, key.n, key.transpose_b, Type::f32);
    if (entry.b != entry.plain_b) {
      entry.pack_b = dnnl::reorder(dnnl::reorder::primitive_desc(Engine(), entry.plain_b, Engine(), entry.b));
    }
    RegisterImplementation(desc.impl_info_str());
  });
}

// Built once for each key and kept: padding keeps the keys of a model few, whatever the lengths of its texts.
const Entry& EntryOf(const Key& key) {
  static auto* mutex = new std::mutex;
  static auto* entries = new std::map<Key, Entry>;  // never destroyed: the library may be gone by then
  const std::lock_guard lock(*mutex);
  const auto found = entries->find(key);
  if (found != entries->end()) return found->second;
  Entry& entry = (*entries)[key];  // a map's nodes do not move
  Build(key, entry);
  return entry;
}

// Row counts change from step to step where texts have no padding, and each count would be a primitive of its own.
// They are rounded up to at most 16 sizes an octave, by less than 7 %.
int64_t PaddedRows(int64_t rows) {
  if (rows <= 128) return rows;
  const int64_t unit = std::max<int64_t>(64, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(rows))) / 16);
  return (rows + unit - 1) / unit * unit;
}

constexpr int64_t kGrain = 16384;

// x (rows, columns) with zero rows up to `padded`, in the operand's type; x itself where that is already so.
const void* Operand(Context& context, const float* x, int64_t rows, int64_t padded, int64_t columns,
                    Precision precision) {
  if (precision == Precision::kF32 && padded == rows) return x;
  const int64_t n = rows * columns, total = padded * columns;
  Arena& arena = context.arena();
  if (precision == Precision::kBF16) {
    uint16_t* copy = arena.Allocate<uint16_t>(total);
    ParallelFor(context, n, kGrain,
                [&](int64_t begin, int64_t end) { FromFloat(x + begin, end - begin, DType::kBF16, copy + begin); });
    std::fill(copy + n, copy + total, uint16_t{0});
    return copy;
  }
  float* copy = arena.Allocate<float>(total);
  ParallelFor(context, n, kGrain, [&](int64_t begin, int64_t end) { std::copy(x + begin, x + end, copy + begin); });
  std::fill(copy + n, copy + total, 0.0f);
  return copy;
}

void Run(Context& context, const Entry& entry, const void* a, const float* b, const float* bias, float* c) {
  const Arena::Scope scope(context.arena());
  const MemoryView memory_a(entry.a, a), memory_c(entry.c, c), memory_bias(entry.bias, bias), plain_b(entry.plain_b, b);
  const void* packed = b;
  if (entry.pack_b) packed = context.arena().AllocateBytes(entry.b.get_size());
  const MemoryView memory_b(entry.b, packed);
  if (entry.pack_b)
    Execute(entry.pack_b,
            std::array<dnnl_exec_arg_t, 2>{{{DNNL_ARG_SRC, plain_b.get()}, {DNNL_ARG_DST, memory_b.get()}}});
  const MemoryView scratch(entry.scratch, context.arena().AllocateBytes(entry.scratch.get_size()));
  const std::array<dnnl_exec_arg_t, 5> args{{{DNNL_ARG_SRC, memory_a.get()},
                                             {DNNL_ARG_WEIGHTS, memory_b.get()},
                                             {DNNL_ARG_DST, memory_c.get()},
                                             {DNNL_ARG_SCRATCHPAD, scratch.get()},
                                             {DNNL_ARG_BIAS, memory_bias.get()}}};
  Execute(entry.product, std::span(args).first(bias == nullptr ? 4 : 5));
}

}  // namespace

void LibraryMatMul(Context& context, const MatMulArgs& args, Precision precision) {
  const ScopedTeam team(context.threads());
  const Arena::Scope scope(context.arena());
  const float* addend = args.accumulate ? args.c : args.residual;
  // What has a row for each of a batch's: A and C, or both operands where it is what a gradient sums over.
  const int64_t m = args.transpose_a ? args.m : PaddedRows(args.m);
  const int64_t k = args.transpose_a && !args.transpose_b ? PaddedRows(args.k) : args.k;
  Key key{m,         args.n,           k, args.transpose_a, args.transpose_b, args.bias != nullptr, addend != nullptr,
          precision, context.threads()};
  const void* a = args.transpose_a ? Operand(context, args.a, args.k, k, args.m, precision)
                                   : Operand(context, args.a, args.m, m, args.k, precision);
  const float* b = args.b;
  if (k != args.k) b = static_cast<const float*>(Operand(context, b, args.k, k, args.n, Precision::kF32));
  if (m == args.m) {
    if (key.sum && addend != args.c) std::copy_n(addend, m * args.n, args.c);  // the library adds what is in C
    return Run(context, EntryOf(key), a, b, args.bias, args.c);
  }
  key.sum = false;
  float* c = context.arena().Allocate<float>(m * args.n);
  Run(context, EntryOf(key), a, b, args.bias, c);
  ParallelFor(context, args.m * args.n, kGrain, [&](int64_t begin, int64_t end) {
    if (addend != args.c) std::fill(args.c + begin, args.c + end, 0.0f);
    if (addend != nullptr && addend != args.c) Add(addend + begin, end - begin, args.c + begin);
    Add(c + begin, end - begin, args.c + begin);
  });
}

std::string LibraryImplementation(int64_t m, int64_t n, int64_t k, Precision precision) {
  const ScopedTeam team(1);
  std::string name;
  CheckedDnnl([&] {
    const auto desc = Plan({.m = m, .n = n, .k = k, .precision = precision, .threads = 1});
    if (desc) name = desc.impl_info_str();
  });
  return name;
}

// Older CPUs get bf16 products too, by way of fp32: those are slower than fp32's own.
bool HasFastBf16() {
  static const bool fast = [] {
    switch (dnnl::get_effective_cpu_isa()) {
      case dnnl::cpu_isa::avx512_core_bf16:
      case dnnl::cpu_isa::avx512_core_fp16:
      case dnnl::cpu_isa::avx512_core_amx:
      case dnnl::cpu_isa::avx512_core_amx_fp16: break;
      default: return false;
    }
    const std::string name = LibraryImplementation(1600, 768, 768, Precision::kBF16);
    return !name.empty() && !name.starts_with("ref");
  }();
  return fast;
}

}  // namespace diptych::kernels
