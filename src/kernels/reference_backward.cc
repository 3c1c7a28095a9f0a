#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/half.h"
#include "kernels/reference.h"

namespace diptych::kernels::reference {
namespace {

constexpr double kPi = 3.14159265358979323846;

double Sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

// One query of one head: the rows it sees and where the gradients go. Sums of dk and dv stay in double precision.
struct Query {
  const float* q;
  const float* dy;
  const float* k;
  const float* v;
  float* dq;
  double* dk;
  double* dv;
  int64_t kv_stride, count;  // keys that it sees
};

void AttendBackward(const Query& query, const AttentionShape& shape, int64_t sum_stride) {
  std::vector<double> p(static_cast<size_t>(query.count)), dp(p.size());
  double maximum = -std::numeric_limits<double>::infinity(), total = 0.0, mean = 0.0;
  for (int64_t j = 0; j < query.count; ++j) {
    for (int i = 0; i < shape.head_dim; ++i) {
      p[j] += static_cast<double>(query.q[i]) * query.k[j * query.kv_stride + i] * shape.scale;
      dp[j] += static_cast<double>(query.dy[i]) * query.v[j * query.kv_stride + i];
    }
    maximum = std::max(maximum, p[j]);
  }
  for (double& value : p) total += value = std::exp(value - maximum);
  for (double& value : p) value /= total;
  for (int64_t j = 0; j < query.count; ++j) mean += p[j] * dp[j];
  for (int i = 0; i < shape.head_dim; ++i) {
    double sum = 0.0;
    for (int64_t j = 0; j < query.count; ++j) {
      const double ds = p[j] * (dp[j] - mean) * shape.scale;
      sum += ds * query.k[j * query.kv_stride + i];
      query.dk[j * sum_stride + i] += ds * query.q[i];
      query.dv[j * sum_stride + i] += p[j] * query.dy[i];
    }
    query.dq[i] = static_cast<float>(sum);
  }
}

}  // namespace

void MatMul(const MatMulArgs& args, Precision precision) {
  const auto operand = [&](float value) -> double {
    return precision == Precision::kBF16 ? BFloat16ToFloat(FloatToBFloat16(value)) : value;
  };
  for (int64_t row = 0; row < args.m; ++row) {
    for (int64_t column = 0; column < args.n; ++column) {
      double sum = 0.0;
      for (int64_t i = 0; i < args.k; ++i) {
        const float a = args.a[args.transpose_a ? i * args.m + row : row * args.k + i];
        const float b = args.b[args.transpose_b ? column * args.k + i : i * args.n + column];
        sum += operand(a) * operand(b);
      }
      const int64_t i = row * args.n + column;
      if (args.accumulate) sum += args.c[i];
      if (args.bias != nullptr) sum += args.bias[column];
      if (args.residual != nullptr) sum += args.residual[i];
      args.c[i] = static_cast<float>(sum);
    }
  }
}

void AddColumnSums(const float* x, int64_t m, int64_t n, float* sums) {
  for (int64_t column = 0; column < n; ++column) {
    double sum = sums[column];
    for (int64_t row = 0; row < m; ++row) sum += x[row * n + column];
    sums[column] = static_cast<float>(sum);
  }
}

double ActivateDerivative(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone: return 1.0;
    case Activation::kRelu: return x > 0.0 ? 1.0 : 0.0;
    case Activation::kRelu6: return x > 0.0 && x < 6.0 ? 1.0 : 0.0;
    case Activation::kQuickGelu: {
      const double s = Sigmoid(1.702 * x);
      return s + 1.702 * x * s * (1.0 - s);
    }
    case Activation::kGelu:
      return 0.5 * std::erfc(-x * std::sqrt(0.5)) + x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * kPi);
    case Activation::kGeluTanh: {
      const double s = Sigmoid(2.0 * std::sqrt(2.0 / kPi) * (x + 0.044715 * x * x * x));
      return s + x * s * (1.0 - s) * 2.0 * std::sqrt(2.0 / kPi) * (1.0 + 3.0 * 0.044715 * x * x);
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void LayerNormBackward(const LayerNormBackwardArgs& args, float* dx, const LayerNormGradients& gradients) {
  const int64_t d = args.d;
  const auto width = static_cast<double>(d);
  std::vector<double> dgamma(static_cast<size_t>(d)), dbeta(dgamma.size()), normal(dgamma.size());
  for (int64_t row = 0; row < args.m; ++row) {
    const float *x = args.x + row * d, *dy = args.dy + row * d;
    double mean = 0.0, variance = 0.0, g_mean = 0.0, gn_mean = 0.0;
    for (int64_t i = 0; i < d; ++i) mean += x[i] / width;
    for (int64_t i = 0; i < d; ++i) variance += (x[i] - mean) * (x[i] - mean) / width;
    const double inverse = 1.0 / std::sqrt(variance + args.params.eps);
    for (int64_t i = 0; i < d; ++i) {
      normal[i] = (x[i] - mean) * inverse;
      g_mean += static_cast<double>(dy[i]) * args.params.gamma[i] / width;
      gn_mean += static_cast<double>(dy[i]) * args.params.gamma[i] * normal[i] / width;
      dgamma[i] += dy[i] * normal[i];
      dbeta[i] += dy[i];
    }
    for (int64_t i = 0; i < d; ++i) {
      const double g = static_cast<double>(dy[i]) * args.params.gamma[i];
      const double residual = args.dresidual == nullptr ? 0.0 : args.dresidual[row * d + i];
      dx[row * d + i] = static_cast<float>(residual + inverse * (g - g_mean - normal[i] * gn_mean));
    }
  }
  for (int64_t i = 0; i < d; ++i) {
    if (gradients.dgamma != nullptr) gradients.dgamma[i] = static_cast<float>(gradients.dgamma[i] + dgamma[i]);
    if (gradients.dbeta != nullptr) gradients.dbeta[i] = static_cast<float>(gradients.dbeta[i] + dbeta[i]);
  }
}

void L2Normalize(const float* x, int64_t m, int64_t d, float* y, float* lengths) {
  for (int64_t row = 0; row < m; ++row, x += d, y += d) {
    double squares = 0.0;
    for (int64_t i = 0; i < d; ++i) squares += static_cast<double>(x[i]) * x[i];
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (int64_t i = 0; i < d; ++i) y[i] = static_cast<float>(x[i] / length);
    lengths[row] = static_cast<float>(length);
  }
}

void L2NormalizeBackward(const float* x, const float* dy, int64_t m, int64_t d, float* dx) {
  for (int64_t row = 0; row < m; ++row, x += d, dy += d, dx += d) {
    double squares = 0.0, dot = 0.0;
    for (int64_t i = 0; i < d; ++i) {
      squares += static_cast<double>(x[i]) * x[i];
      dot += static_cast<double>(x[i]) * dy[i];
    }
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (int64_t i = 0; i < d; ++i) dx[i] = static_cast<float>((dy[i] - x[i] * dot / (length * length)) / length);
  }
}

void AttentionBackward(const AttentionInput& input, const AttentionShape& shape, const float* dy,
                       const AttentionGradients& gradients) {
  const int64_t width = int64_t{shape.heads} * shape.head_dim;
  int64_t first_key = 0, row = 0;  // row: of q
  for (size_t s = 0; s < input.lengths.size(); ++s) {
    const int64_t length = input.lengths[s], queries = input.q_lengths.empty() ? length : input.q_lengths[s];
    std::vector<double> dk(static_cast<size_t>(length * width)), dv(dk.size());
    for (int64_t i = 0; i < queries; ++i, ++row) {
      for (int64_t column = 0; column < width; column += shape.head_dim) {
        const Query query{.q = input.q + row * input.q_stride + column,
                          .dy = dy + row * width + column,
                          .k = input.k + first_key * input.kv_stride + column,
                          .v = input.v + first_key * input.kv_stride + column,
                          .dq = gradients.dq + row * input.q_stride + column,
                          .dk = dk.data() + column,
                          .dv = dv.data() + column,
                          .kv_stride = input.kv_stride,
                          .count = shape.causal ? length - queries + i + 1 : length};
        AttendBackward(query, shape, width);
      }
    }
    for (int64_t i = 0; i < length * width; ++i) {
      const int64_t at = (first_key + i / width) * input.kv_stride + i % width;
      gradients.dk[at] = static_cast<float>(dk[i]);
      gradients.dv[at] = static_cast<float>(dv[i]);
    }
    first_key += length;
  }
}

}  // namespace diptych::kernels::reference
