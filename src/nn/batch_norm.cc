#include "nn/batch_norm.h"

#include <cmath>

namespace diptych::nn {

void BatchNorm::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", gamma);
  visit(prefix + "bias", beta);
  visit(prefix + "running_mean", running_mean);
  visit(prefix + "running_var", running_var);
}

ChannelAffine BatchNorm::Fold() const {
  const std::vector<float> g = gamma.ToFloats(), b = beta.ToFloats();
  const std::vector<float> mean = running_mean.ToFloats(), var = running_var.ToFloats();
  ChannelAffine affine{std::vector<float>(g.size()), std::vector<float>(g.size())};
  for (size_t c = 0; c < g.size(); ++c) {
    const double scale = g[c] / std::sqrt(static_cast<double>(var[c]) + eps);
    affine.scale[c] = static_cast<float>(scale);
    affine.shift[c] = static_cast<float>(b[c] - mean[c] * scale);
  }
  return affine;
}

}  // namespace diptych::nn
