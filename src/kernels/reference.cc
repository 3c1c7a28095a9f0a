#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace diptych::kernels::reference {
namespace {

// act(sum + bias + residual) of element i, whose column or channel is c.
float Finish(double sum, const Epilogue& epilogue, int64_t i, int64_t c) {
  if (epilogue.bias != nullptr) sum += epilogue.bias[c];
  if (epilogue.residual != nullptr) sum += epilogue.residual[i];
  return static_cast<float>(Activate(epilogue.activation, sum));
}

// y (HD) = softmax(scale q K^T + bias) V over as many keys as bias has; row(j, is it a value) are their rows.
template <class Row>
void AttendOne(const float* q, std::span<const double> bias, const AttentionShape& shape, const Row& row, float* y) {
  const int64_t count = static_cast<int64_t>(bias.size());
  std::vector<double> p(static_cast<size_t>(count));
  double maximum = -std::numeric_limits<double>::infinity(), total = 0.0;
  for (int64_t j = 0; j < count; ++j) {
    double dot = 0.0;
    for (int i = 0; i < shape.head_dim; ++i) dot += static_cast<double>(q[i]) * row(j, false)[i];
    p[j] = dot * shape.scale + bias[static_cast<size_t>(j)];
    maximum = std::max(maximum, p[j]);
  }
  for (double& value : p) total += value = std::exp(value - maximum);
  for (int i = 0; i < shape.head_dim; ++i) {
    double sum = 0.0;
    for (int64_t j = 0; j < count; ++j) sum += p[j] * row(j, true)[i];
    y[i] = static_cast<float>(sum / total);
  }
}

}  // namespace

double Activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kRelu: return x < 0.0 ? 0.0 : x;
    case Activation::kRelu6: return x < 0.0 ? 0.0 : x > 6.0 ? 6.0 : x;
    case Activation::kQuickGelu: return x / (1.0 + std::exp(-1.702 * x));
    case Activation::kGelu: return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case Activation::kGeluTanh: {
      const double u = std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
      return x / (1.0 + std::exp(-2.0 * u));
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void LayerNorm(const float* x, int64_t m, int64_t d, const LayerNormParams& params, float* y) {
  for (int64_t row = 0; row < m; ++row, x += d, y += d) {
    double mean = 0.0, variance = 0.0;
    for (int64_t i = 0; i < d; ++i) mean += x[i];
    mean /= static_cast<double>(d);
    for (int64_t i = 0; i < d; ++i) variance += (x[i] - mean) * (x[i] - mean);
    variance /= static_cast<double>(d);
    for (int64_t i = 0; i < d; ++i) {
      y[i] = static_cast<float>((x[i] - mean) / std::sqrt(variance + params.eps) * params.gamma[i] + params.beta[i]);
    }
  }
}

void Softmax(float* x, int64_t m, int64_t n) {
  for (int64_t row = 0; row < m; ++row, x += n) {
    const double maximum = *std::max_element(x, x + n);
    if (std::isinf(maximum) && maximum < 0.0) {
      std::fill_n(x, n, 0.0f);
      continue;
    }
    double total = 0.0;
    for (int64_t i = 0; i < n; ++i) total += std::exp(x[i] - maximum);
    for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(std::exp(x[i] - maximum) / total);
  }
}

void Linear(const float* x, int64_t m, TensorView w, WeightOrder order, const Epilogue& epilogue, float* y) {
  const bool out_in = order == WeightOrder::kOutIn;
  const int64_t n = w.shape()[out_in ? 0 : 1], k = w.shape()[out_in ? 1 : 0];
  const float* weights = w.data<float>();
  for (int64_t row = 0; row < m; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      double sum = 0.0;
      for (int64_t i = 0; i < k; ++i) {
        sum += static_cast<double>(x[row * k + i]) * weights[out_in ? column * k + i : i * n + column];
      }
      y[row * n + column] = Finish(sum, epilogue, row * n + column, column);
    }
  }
}

void Conv(const float* x, const Map& map, TensorView w, const ConvGeometry& g, const Epilogue& epilogue, float* y) {
  const int out_h = g.OutSize(map.h, g.kernel_h), out_w = g.OutSize(map.w, g.kernel_w);
  const int top = g.PadBefore(map.h, g.kernel_h), left = g.PadBefore(map.w, g.kernel_w);
  const int in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups;
  const float* weights = w.data<float>();
  // The sum of one output value over the window that starts at (first_row, first_column).
  const auto window = [&](int64_t image, int first_row, int first_column, int oc) {
    double sum = 0.0;
    for (int i = 0; i < g.kernel_h * g.kernel_w; ++i) {
      const int row = first_row + i / g.kernel_w, column = first_column + i % g.kernel_w;
      if (row < 0 || row >= map.h || column < 0 || column >= map.w) continue;
      const float* in = x + ((image * map.h + row) * map.w + column) * g.in_channels + oc / out_group * in_group;
      const float* taps = weights + (int64_t{oc} * in_group * g.kernel_h * g.kernel_w) + i;
      for (int c = 0; c < in_group; ++c) sum += static_cast<double>(in[c]) * taps[c * g.kernel_h * g.kernel_w];
    }
    return sum;
  };
  int64_t index = 0;
  for (int64_t pixel = 0; pixel < map.b * out_h * out_w; ++pixel) {
    const int row = static_cast<int>(pixel / out_w % out_h) * g.stride - top;
    const int column = static_cast<int>(pixel % out_w) * g.stride - left;
    for (int oc = 0; oc < g.out_channels; ++oc, ++index) {
      y[index] = Finish(window(pixel / out_w / out_h, row, column, oc), epilogue, index, oc);
    }
  }
}

void Attention(const AttentionInput& input, const AttentionShape& shape, float* y) {
  const float* q = input.q;
  std::vector<std::vector<int64_t>> keys;  // rows of k and v that each sequence sees
  int64_t first = 0;                       // row of the sequence's first key
  for (size_t s = 0; s < input.lengths.size(); ++s) {
    const int64_t length = input.lengths[s], queries = input.q_lengths.empty() ? length : input.q_lengths[s];
    const bool child = !input.parents.empty() && input.parents[s] >= 0;
    std::vector<int64_t> rows = child ? keys[static_cast<size_t>(input.parents[s])] : std::vector<int64_t>();
    const int64_t before = static_cast<int64_t>(rows.size());
    std::vector<double> bias(static_cast<size_t>(before + length));
    if (!input.key_bias.empty()) std::copy_n(input.key_bias.data() + first, length, bias.begin());
    for (int64_t j = 0; j < length; ++j) rows.push_back(first + j);
    for (int64_t i = 0; i < queries; ++i, q += input.q_stride, y += shape.heads * shape.head_dim) {
      const int64_t own = shape.causal ? length - queries + i + 1 : length;
      for (int head = 0; head < shape.heads; ++head) {
        const int64_t column = int64_t{head} * shape.head_dim;
        const auto row = [&](int64_t j, bool value) {
          return (value ? input.v : input.k) + rows[static_cast<size_t>(j)] * input.kv_stride + column;
        };
        AttendOne(q + column, std::span(bias).first(static_cast<size_t>(before + own)), shape, row, y + column);
      }
    }
    first += length;
    keys.push_back(std::move(rows));
  }
}

}  // namespace diptych::kernels::reference
