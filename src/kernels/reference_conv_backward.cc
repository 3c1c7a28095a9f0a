#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference.h"

namespace diptych::kernels::reference {

void ConvBackward(const ConvShape& shape, const float* x, const float* w, const float* dy, float* dx, float* dw) {
  const ConvGeometry& g = shape.geometry;
  const int out_h = g.OutSize(shape.h, g.kernel_h), out_w = g.OutSize(shape.w, g.kernel_w);
  const int top = g.PadBefore(shape.h, g.kernel_h), left = g.PadBefore(shape.w, g.kernel_w);
  const int in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups, taps = g.kernel_h * g.kernel_w;
  std::vector<double> dx_sums(static_cast<size_t>(shape.InputElements()));
  std::vector<double> dw_sums(static_cast<size_t>(g.out_channels * in_group * taps));
  for (int64_t index = 0; index < shape.OutputElements(); ++index) {
    const int64_t pixel = index / g.out_channels, image = pixel / out_w / out_h;
    const int oc = static_cast<int>(index % g.out_channels);
    for (int tap = 0; tap < taps; ++tap) {
      const int64_t row = pixel / out_w % out_h * g.stride - top + tap / g.kernel_w;
      const int64_t column = pixel % out_w * g.stride - left + tap % g.kernel_w;
      if (row < 0 || row >= shape.h || column < 0 || column >= shape.w) continue;
      for (int c = 0; c < in_group; ++c) {
        const int64_t in = ((image * shape.h + row) * shape.w + column) * g.in_channels + oc / out_group * in_group + c;
        const int64_t weight = (int64_t{oc} * in_group + c) * taps + tap;
        dx_sums[in] += static_cast<double>(dy[index]) * w[weight];
        dw_sums[weight] += static_cast<double>(dy[index]) * x[in];
      }
    }
  }
  std::copy(dx_sums.begin(), dx_sums.end(), dx);
  std::copy(dw_sums.begin(), dw_sums.end(), dw);
}

void AveragePoolBackward(const float* dy, const MapShape& shape, int k, float* dx) {
  const int out_h = shape.h / k, out_w = shape.w / k;
  std::fill_n(dx, shape.b * shape.h * shape.w * shape.c, 0.0f);
  for (int64_t index = 0; index < shape.b * out_h * out_w * shape.c; ++index) {
    const int64_t pixel = index / shape.c, image = pixel / out_w / out_h;
    for (int tap = 0; tap < k * k; ++tap) {
      const int64_t row = pixel / out_w % out_h * k + tap / k, column = pixel % out_w * k + tap % k;
      dx[((image * shape.h + row) * shape.w + column) * shape.c + index % shape.c] =
          dy[index] / static_cast<float>(k * k);
    }
  }
}

namespace {

struct Channel {
  double mean = 0.0, variance = 0.0, scale = 0.0;

  Channel(const BatchNormArgs& args, int64_t c) {
    const double m = static_cast<double>(args.m);
    for (int64_t row = 0; row < args.m; ++row) mean += args.x[row * args.c + c] / m;
    for (int64_t row = 0; row < args.m; ++row) {
      const double deviation = args.x[row * args.c + c] - mean;
      variance += deviation * deviation / m;
    }
    scale = 1.0 / std::sqrt(variance + args.params.eps);
  }
};

}  // namespace

void BatchNorm(const BatchNormArgs& args, const float* residual, float* y) {
  for (int64_t c = 0; c < args.c; ++c) {
    const Channel channel(args, c);
    args.statistics.mean[c] = static_cast<float>(channel.mean);
    args.statistics.variance[c] = static_cast<float>(channel.variance);
    for (int64_t i = c; i < args.m * args.c; i += args.c) {
      const double normal = (args.x[i] - channel.mean) * channel.scale * args.params.gamma[c] + args.params.beta[c];
      y[i] = static_cast<float>(Activate(args.activation, normal + (residual == nullptr ? 0.0f : residual[i])));
    }
  }
}

void BatchNormBackward(const BatchNormArgs& args, const float* residual, const float* dy, float* dx,
                       const BatchNormGradients& gradients) {
  const double m = static_cast<double>(args.m);
  std::vector<double> g(static_cast<size_t>(args.m)), normal(g.size());
  for (int64_t c = 0; c < args.c; ++c) {
    const Channel channel(args, c);
    double sum = 0.0, products = 0.0;
    for (int64_t row = 0; row < args.m; ++row) {
      const int64_t i = row * args.c + c;
      normal[row] = (args.x[i] - channel.mean) * channel.scale;
      const double argument = normal[row] * args.params.gamma[c] + args.params.beta[c];
      g[row] = dy[i] * ActivateDerivative(args.activation, argument + (residual == nullptr ? 0.0f : residual[i]));
      if (gradients.dresidual != nullptr) gradients.dresidual[i] = static_cast<float>(g[row]);
      sum += g[row];
      products += g[row] * normal[row];
    }
    gradients.dgamma[c] += static_cast<float>(products);
    gradients.dbeta[c] += static_cast<float>(sum);
    for (int64_t row = 0; row < args.m; ++row) {
      const double centered = g[row] - sum / m - normal[row] * products / m;
      dx[row * args.c + c] = static_cast<float>(args.params.gamma[c] * channel.scale * centered);
    }
  }
}

}  // namespace diptych::kernels::reference
