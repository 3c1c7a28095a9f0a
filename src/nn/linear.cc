#include "nn/linear.h"

namespace diptych::nn {

void LinearPlan::Forward(Context& context, const float* x, int64_t m, float* y, const Options& options) const {
  const kernels::Epilogue epilogue{.bias = b.empty() ? nullptr : b.data(),
                                   .residual = options.residual,
                                   .activation = options.activation};
  kernels::Linear(context, x, m, w, epilogue, y);
}

Linear::Linear(const LinearConfig& config)
    : config(config),
      w(config.order == kernels::WeightOrder::kOutIn ? Shape{config.out, config.in} : Shape{config.in, config.out}),
      b(Shape{config.out}) {}

void Linear::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", w);
  if (config.bias) visit(prefix + "bias", b);
}

LinearPlan Linear::Prepare(kernels::Precision precision) const {
  LinearPlan plan;
  w.Consume([&](TensorView view) { plan.w = kernels::PackLinear(view, config.order, precision); });
  if (config.bias) plan.b = b.ToFloats();
  plan.out = config.out;
  return plan;
}

LinearPlan Linear::PrepareRows(kernels::Precision precision, int64_t begin, int64_t end) const {
  CHECK(config.order == kernels::WeightOrder::kOutIn && begin <= end && end <= config.out);
  const Shape shape{end - begin, config.in};
  LinearPlan plan;
  w.Consume([&](TensorView view) {
    const size_t row_bytes = static_cast<size_t>(config.in) * SizeOf(view.dtype());
    const auto* rows = static_cast<const uint8_t*>(view.raw()) + static_cast<size_t>(begin) * row_bytes;
    plan.w = kernels::PackLinear(TensorView(rows, view.dtype(), shape), config.order, precision);
  });
  if (config.bias) {
    const std::vector<float> bias = b.ToFloats();
    plan.b.assign(bias.begin() + begin, bias.begin() + end);
  }
  plan.out = end - begin;
  return plan;
}

}  // namespace diptych::nn
