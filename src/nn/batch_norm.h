// Batch normalisation with stored statistics (Ioffe and Szegedy, 2015). For inference it disappears into the
// convolution before it.
#ifndef DIPTYCH_NN_BATCH_NORM_H_
#define DIPTYCH_NN_BATCH_NORM_H_

#include <string>
#include <vector>

#include "nn/param.h"

namespace diptych::nn {

/// y = x * scale + shift, one pair a channel.
struct ChannelAffine {
  std::vector<float> scale, shift;  // (C)
};

struct BatchNorm {
  BatchNorm() = default;
  BatchNorm(int64_t c, float eps)
      : gamma(Shape{c}),
        beta(Shape{c}),
        running_mean(Shape{c}, Param::Role::kBuffer),
        running_var(Shape{c}, Param::Role::kBuffer),
        eps(eps) {}

  Param gamma, beta, running_mean, running_var;  // (C)
  float eps = 0.0f;

  /// Names: prefix + "weight", "bias", "running_mean", "running_var".
  void Visit(const ParamVisitor& visit, const std::string& prefix);
  /// gamma / sqrt(var + eps) and beta - mean * that, computed in double.
  ChannelAffine Fold() const;
};

}  // namespace diptych::nn

#endif  // DIPTYCH_NN_BATCH_NORM_H_
