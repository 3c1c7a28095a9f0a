#include "kernels/matmul.h"

#include <algorithm>

#include "kernels/convert.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/row_groups.h"

namespace diptych::kernels {
namespace {

// What is added to the product after it: bias, and a residual other than C itself.
void AddToRows(Context& context, const MatMulArgs& args) {
  const float* residual = args.residual == args.c ? nullptr : args.residual;
  if (args.bias == nullptr && residual == nullptr) return;
  ParallelFor(context, args.m, std::max<int64_t>(1, 16384 / args.n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (args.bias != nullptr) Add(args.bias, args.n, args.c + row * args.n);
      if (residual != nullptr) Add(residual + row * args.n, args.n, args.c + row * args.n);
    }
  });
}

const float* RoundedCopy(Context& context, const float* x, int64_t n) {
  float* copy = context.arena().Allocate<float>(n);
  ParallelFor(context, n, 16384,
              [&](int64_t begin, int64_t end) { RoundToBF16(x + begin, end - begin, copy + begin); });
  return copy;
}

}  // namespace

void MatMul(Context& context, const MatMulArgs& args) {
  if (args.m == 0 || args.n == 0) return;
  CHECK(!args.accumulate || args.residual != args.c) << " C twice";
  const bool keep = args.accumulate || args.residual == args.c;
  if (args.k == 0) {
    if (!keep) std::fill_n(args.c, args.m * args.n, 0.0f);
    return AddToRows(context, args);
  }
  const Arena::Scope scope(context.arena());
  const float *a = args.a, *b = args.b;
  if (context.precision() == Precision::kBF16) {
    a = RoundedCopy(context, a, args.m * args.k);
    b = RoundedCopy(context, b, args.k * args.n);
  }
  const ScopedTeam team(context.threads());
  const dnnl_status_t status = dnnl_sgemm(args.transpose_a ? 'T' : 'N', args.transpose_b ? 'T' : 'N', args.m, args.n,
                                          args.k, 1.0f, a, args.transpose_a ? args.m : args.k, b,
                                          args.transpose_b ? args.k : args.n, keep ? 1.0f : 0.0f, args.c, args.n);
  CHECK_EQ(status, dnnl_success);
  AddToRows(context, args);
}

void AddColumnSums(Context& context, const float* x, int64_t m, int64_t n, float* sums) {
  const RowGroups groups(m);
  const Arena::Scope scope(context.arena());
  float* partial = context.arena().Allocate<float>(groups.count * n);
  ParallelFor(context, groups.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* own = partial + i * n;
      std::fill_n(own, n, 0.0f);
      for (int64_t row = groups.Begin(i); row < groups.Begin(i + 1); ++row) Add(x + row * n, n, own);
    }
  });
  for (int64_t i = 0; i < groups.count; ++i) Add(partial + i * n, n, sums);
}

}  // namespace diptych::kernels
