#include "nn/linear.h"

#include "kernels/products/matmul.h"

namespace diptych::nn {
namespace {

using kernels::WeightOrder;

OutputRange Resolve(const LinearConfig& config, const OutputRange& outputs) {
  if (outputs.end == 0) return {0, config.out};
  CHECK(config.order == WeightOrder::kOutIn && outputs.begin < outputs.end && outputs.end <= config.out);
  return outputs;
}

}  // namespace

void LinearPlan::Forward(Context& context, const float* x, int64_t m, float* y, const Options& options) const {
  kernels::Linear(context, x, m, w, EpilogueOf(options), y);
}

void LinearPlan::Forward(Context& context, const kernels::Rows& x, int64_t m, const kernels::MutableRows& y,
                         const Options& options) const {
  kernels::Linear(context, x, m, w, EpilogueOf(options), y);
}

Linear::Linear(const LinearConfig& config)
    : config(config),
      w(config.order == kernels::WeightOrder::kOutIn ? Shape{config.out, config.in} : Shape{config.in, config.out}),
      b(Shape{config.out}) {}

void Linear::Forward(Context& context, const float* x, int64_t m, float* y,
                     const LinearForwardOptions& options) const {
  const auto [begin, end] = Resolve(config, options.outputs);
  kernels::MatMul(context, {.m = m,
                            .n = end - begin,
                            .k = config.in,
                            .a = x,
                            .b = w.floats() + begin * config.in,
                            .transpose_b = config.order == WeightOrder::kOutIn,
                            .c = y,
                            .bias = config.bias ? b.floats() + begin : nullptr,
                            .residual = options.residual});
  if (lora) lora->Forward(context, x, m, y, {begin, end});
}

void Linear::Backward(Context& context, const LinearBackwardArgs& args) {
  const auto [begin, end] = Resolve(config, args.outputs);
  const int64_t m = args.m, n = end - begin, k = config.in;
  const bool out_in = config.order == WeightOrder::kOutIn;
  const Arena::Scope scope(context.arena());
  // y = x Wᵀ + b + residual, and the adapter's. Parameters come first, since dx may take the place of x.
  const float* dlow = nullptr;  // (M, R)
  if (lora && (lora->Trains() || args.dx != nullptr)) {
    dlow = lora->Backward(context, {.x = args.x, .dy = args.dy, .m = m}, {begin, end});
  }
  if (w.trains()) {
    float* dw = w.grad() + begin * k;
    kernels::MatMul(context, {.m = out_in ? n : k,
                              .n = out_in ? k : n,
                              .k = m,
                              .a = out_in ? args.dy : args.x,
                              .transpose_a = true,
                              .b = out_in ? args.x : args.dy,
                              .c = dw,
                              .accumulate = true});
  }
  if (b.trains()) kernels::AddColumnSums(context, args.dy, m, n, b.grad() + begin);
  if (args.dx == nullptr) return;
  kernels::MatMul(context, {.m = m,
                            .n = k,
                            .k = n,
                            .a = args.dy,
                            .b = w.floats() + begin * k,
                            .transpose_b = !out_in,
                            .c = args.dx,
                            .accumulate = args.accumulate});
  if (lora) lora->InputBackward(context, dlow, m, args.dx);
}

void Linear::AddLora(const LoraOptions& options) {
  CHECK(!lora && options.rank > 0) << " rank " << options.rank;
  lora.emplace(config.in, config.out, options);
}

void Linear::MergeLora() {
  if (!lora) return;
  lora->AddTo(config.order, w.MutableValue().mutable_data<float>());
  lora.reset();
}

void Linear::ConsumeWeight(const std::function<void(TensorView)>& f) const {
  if (!lora) {
    w.Consume(f);
    return;
  }
  std::vector<float> merged = w.ToFloats();
  lora->AddTo(config.order, merged.data());
  f(TensorView(merged.data(), DType::kF32, w.shape()));
}

void Linear::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "weight", w);
  if (config.bias) visit(prefix + "bias", b);
  if (lora) lora->Visit(visit, prefix);
}

LinearPlan Linear::Prepare(kernels::Precision precision) const {
  LinearPlan plan;
  ConsumeWeight([&](TensorView view) { plan.w = kernels::PackLinear(view, config.order, precision); });
  if (config.bias) plan.b = b.ToFloats();
  plan.out = config.out;
  return plan;
}

LinearPlan Linear::PrepareRows(kernels::Precision precision, int64_t begin, int64_t end) const {
  CHECK(config.order == kernels::WeightOrder::kOutIn && begin <= end && end <= config.out);
  const Shape shape{end - begin, config.in};
  LinearPlan plan;
  ConsumeWeight([&](TensorView view) {
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
