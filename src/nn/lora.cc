#include "nn/lora.h"

#include <cmath>
#include <memory>
#include <vector>

#include "core/rng.h"
#include "kernels/products/matmul.h"

namespace diptych::nn {
namespace {

void Multiply(float factor, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace

Lora::Lora(int64_t in, int64_t out, const LoraOptions& options)
    : a(Shape{options.rank, in}), b(Shape{out, options.rank}), scale(options.alpha / static_cast<float>(options.rank)) {
  auto made_a = std::make_shared<Tensor>(DType::kF32, a.shape());
  auto made_b = std::make_shared<Tensor>(DType::kF32, b.shape());
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));  // torch's kaiming_uniform_(a=sqrt(5))
  Rng rng(options.seed, options.stream);
  float* values = made_a->mutable_data<float>();
  for (int64_t i = 0; i < a.shape().NumElements(); ++i) values[i] = static_cast<float>(rng.Uniform(-bound, bound));
  a.Bind({{made_a->view(), made_a}});
  b.Bind({{made_b->view(), made_b}});
}

// scale (x Aᵀ), (M, R), in the caller's arena scope.
float* Lora::Low(Context& context, const float* x, int64_t m) const {
  float* low = context.arena().Allocate<float>(m * rank());
  kernels::MatMul(context, {.m = m, .n = rank(), .k = in(), .a = x, .b = a.floats(), .transpose_b = true, .c = low});
  Multiply(scale, m * rank(), low);
  return low;
}

void Lora::Forward(Context& context, const float* x, int64_t m, float* y, const OutputRange& outputs) const {
  const Arena::Scope scope(context.arena());
  kernels::MatMul(context, {.m = m,
                            .n = outputs.end - outputs.begin,
                            .k = rank(),
                            .a = Low(context, x, m),
                            .b = b.floats() + outputs.begin * rank(),
                            .transpose_b = true,
                            .c = y,
                            .accumulate = true});
}

const float* Lora::Backward(Context& context, const LoraBackwardArgs& args, const OutputRange& outputs) {
  const int64_t m = args.m, n = outputs.end - outputs.begin, r = rank();
  float* dlow = context.arena().Allocate<float>(m * r);
  // y += low Bᵀ, low = scale (x Aᵀ)
  if (b.trains()) {
    const Arena::Scope scope(context.arena());
    kernels::MatMul(context, {.m = n,
                              .n = r,
                              .k = m,
                              .a = args.dy,
                              .transpose_a = true,
                              .b = Low(context, args.x, m),
                              .c = b.grad() + outputs.begin * r,
                              .accumulate = true});
  }
  kernels::MatMul(context, {.m = m, .n = r, .k = n, .a = args.dy, .b = b.floats() + outputs.begin * r, .c = dlow});
  Multiply(scale, m * r, dlow);
  if (a.trains()) {
    kernels::MatMul(
        context,
        {.m = r, .n = in(), .k = m, .a = dlow, .transpose_a = true, .b = args.x, .c = a.grad(), .accumulate = true});
  }
  return dlow;
}

void Lora::InputBackward(Context& context, const float* dlow, int64_t m, float* dx) const {
  kernels::MatMul(context, {.m = m, .n = in(), .k = rank(), .a = dlow, .b = a.floats(), .c = dx, .accumulate = true});
}

void Lora::AddTo(kernels::WeightOrder order, float* w) const {
  const int64_t n = b.shape()[0], k = in();
  const bool out_in = order == kernels::WeightOrder::kOutIn;
  const std::vector<float> a_values = a.ToFloats();
  std::vector<float> b_values = b.ToFloats();
  Multiply(scale, n * rank(), b_values.data());
  Context context;
  // (N, K) += B A, or (K, N) += Aᵀ Bᵀ
  kernels::MatMul(context, {.m = out_in ? n : k,
                            .n = out_in ? k : n,
                            .k = rank(),
                            .a = out_in ? b_values.data() : a_values.data(),
                            .transpose_a = !out_in,
                            .b = out_in ? a_values.data() : b_values.data(),
                            .transpose_b = !out_in,
                            .c = w,
                            .accumulate = true});
}

void Lora::Visit(const ParamVisitor& visit, const std::string& prefix) {
  visit(prefix + "lora_A.weight", a);
  visit(prefix + "lora_B.weight", b);
}

}  // namespace diptych::nn
