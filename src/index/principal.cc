#include "index/principal.h"

#include <cmath>

#include "core/rng.h"
#include "kernels/products/matmul.h"

namespace diptych {
namespace {

// Enough for directions that carry a scan: the last ones need not be exact, only orthonormal.
constexpr int kIterations = 12;

double Dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Gram and Schmidt, each row against those before it, twice: once leaves what rounding brought in. A row that vanishes
// (fewer varying directions than D) becomes zero and stays so.
void Orthonormalize(std::vector<float>& basis, int64_t d, int64_t e) {
  for (int64_t i = 0; i < d; ++i) {
    float* row = basis.data() + i * e;
    const double before = std::sqrt(Dot(row, row, e));
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t j = 0; j < i; ++j) {
        const float* other = basis.data() + j * e;
        const auto along = static_cast<float>(Dot(row, other, e));
        for (int64_t k = 0; k < e; ++k) row[k] -= along * other[k];
      }
    }
    const double length = std::sqrt(Dot(row, row, e));
    const auto scale = static_cast<float>(length > 1e-6 * before && length > 0 ? 1 / length : 0);
    for (int64_t k = 0; k < e; ++k) row[k] *= scale;
  }
}

}  // namespace

PrincipalComponents FindPrincipalComponents(Context& context, const std::vector<float>& rows, int64_t e, int64_t d) {
  const int64_t n = static_cast<int64_t>(rows.size()) / e;
  PrincipalComponents result;
  std::vector<double> sums(static_cast<size_t>(e));
  for (int64_t i = 0; i < n * e; ++i) sums[static_cast<size_t>(i % e)] += static_cast<double>(rows[i]);
  for (const double sum : sums) result.mean.push_back(static_cast<float>(sum / static_cast<double>(n)));
  std::vector<float> centred = rows;
  for (int64_t i = 0; i < n * e; ++i) centred[static_cast<size_t>(i)] -= result.mean[static_cast<size_t>(i % e)];
  std::vector<float> covariance(static_cast<size_t>(e * e));
  kernels::MatMul(
      context,
      {.m = e, .n = e, .k = n, .a = centred.data(), .transpose_a = true, .b = centred.data(), .c = covariance.data()});

  std::vector<float>& basis = result.basis;
  Rng rng(1, StreamOf("principal"));
  for (int64_t i = 0; i < d * e; ++i) basis.push_back(rng.Normal());
  Orthonormalize(basis, d, e);
  std::vector<float> next(basis.size());
  for (int i = 0; i < kIterations; ++i) {
    kernels::MatMul(context, {.m = d, .n = e, .k = e, .a = basis.data(), .b = covariance.data(), .c = next.data()});
    basis.swap(next);
    Orthonormalize(basis, d, e);
  }
  kernels::MatMul(context, {.m = d, .n = e, .k = e, .a = basis.data(), .b = covariance.data(), .c = next.data()});
  for (int64_t i = 0; i < d; ++i) {
    const double variance = Dot(basis.data() + i * e, next.data() + i * e, e) / static_cast<double>(n);
    result.deviation.push_back(static_cast<float>(std::sqrt(std::max(0.0, variance))));
  }
  return result;
}

}  // namespace diptych
