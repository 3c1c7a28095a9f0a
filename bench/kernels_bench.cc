// Speeds of the kernels on the shapes of CLIP's towers: `ninja kernels_bench && ./kernels_bench`. Each counter "GF" is
// GFLOP/s; compare it with the Peak of the same run, for hosts differ.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/conv/conv.h"
#include "kernels/norms/norm.h"
#include "kernels/peak.h"
#include "kernels/pool.h"
#include "kernels/products/matmul.h"

namespace diptych::kernels {
namespace {

std::vector<float> Random(int64_t n, float scale = 1.0f) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = normal(engine);
  return values;
}

void ReportRate(benchmark::State& state, const char* name, double per_iteration) {
  state.counters[name] = benchmark::Counter(per_iteration * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void BM_Peak(benchmark::State& state) {
  Context context(static_cast<int>(state.range(0)));
  double peak = 0.0;
  for (auto _ : state) peak = MeasureMatmulPeaks(context, 2.0)[0].gflops;
  state.counters["GF"] = peak;
}
BENCHMARK(BM_Peak)->Arg(1)->Arg(2)->Iterations(1)->ArgName("threads");

// rows, outputs, inputs, activation, threads; the bias always, the residual where K > N (an MLP's second product).
void BM_Linear(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto activation = static_cast<Activation>(state.range(3));
  Context context(static_cast<int>(state.range(4)));
  const std::vector<float> x = Random(m * k), w = Random(n * k, 0.03f), bias = Random(n);
  std::vector<float> y = Random(m * n);
  const PackedWeight packed = PackLinear(TensorView(w.data(), DType::kF32, {n, k}), WeightOrder::kOutIn);
  const Epilogue epilogue{.bias = bias.data(), .residual = k > n ? y.data() : nullptr, .activation = activation};
  for (auto _ : state) Linear(context, x.data(), m, packed, epilogue, y.data());
  ReportRate(state, "GF", 2.0 * static_cast<double>(m * n * k));
}
void LinearShapes(benchmark::internal::Benchmark* benchmark) {
  const auto none = static_cast<int64_t>(Activation::kNone);
  const int64_t shapes[][2] = {{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}};
  for (const int64_t m : {1, 7, 35, 50, 77, 257, 1600}) {
    for (const auto& shape : shapes) benchmark->Args({m, shape[0], shape[1], none, 1});
  }
  for (const int64_t m : {50, 1600}) {
    for (const auto& shape : shapes) benchmark->Args({m, shape[0], shape[1], none, 2});
  }
  for (const auto activation : {Activation::kQuickGelu, Activation::kGelu, Activation::kGeluTanh}) {
    benchmark->Args({1600, 3072, 768, static_cast<int64_t>(activation), 1});
  }
  for (const int64_t m : {601, 655, 1000}) benchmark->Args({m, 512, 512, none, 1});  // packed texts: split products
}
BENCHMARK(BM_Linear)->Apply(LinearShapes)->ArgNames({"m", "n", "k", "act", "threads"});

// The products of a linear layer with N outputs and K inputs over M rows, as training takes them.
enum Kind : int64_t {
  kForward,         // y = x W^T + b, with the residual where K > N
  kInputGradient,   // dx = dy W
  kWeightGradient,  // dW += dy^T x
};
void BM_MatMul(benchmark::State& state) {
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3);
  Context context(static_cast<int>(state.range(4)), Mode::kTraining, static_cast<Precision>(state.range(5)));
  const std::vector<float> x = Random(m * k), dy = Random(m * n), w = Random(n * k, 0.03f), bias = Random(n);
  std::vector<float> out = Random(std::max({m * n, m * k, n * k}));
  MatMulArgs args{.m = m, .n = n, .k = k, .a = x.data(), .b = w.data(), .transpose_b = true, .c = out.data()};
  switch (state.range(0)) {
    case kForward:
      args.bias = bias.data();
      args.residual = k > n ? out.data() : nullptr;
      break;
    case kInputGradient: args = {.m = m, .n = k, .k = n, .a = dy.data(), .b = w.data(), .c = out.data()}; break;
    case kWeightGradient:
      args = {.m = n, .n = k, .k = m, .a = dy.data(), .transpose_a = true, .b = x.data(), .c = out.data()};
      args.accumulate = true;
      break;
    default: state.SkipWithError("kind"); return;
  }
  for (auto _ : state) MatMul(context, args);
  ReportRate(state, "GF", 2.0 * static_cast<double>(m * n * k));
}
void MatMulShapes(benchmark::internal::Benchmark* benchmark) {
  const int64_t shapes[][3] = {{1600, 2304, 768}, {1600, 768, 768}, {1600, 3072, 768}, {1600, 768, 3072},
                               {384, 1536, 512},  {384, 2048, 512}, {384, 512, 2048}};
  for (const int64_t precision : {0, 1}) {
    for (const int64_t kind : {kForward, kInputGradient, kWeightGradient}) {
      for (const auto& shape : shapes) benchmark->Args({kind, shape[0], shape[1], shape[2], 2, precision});
    }
  }
}
BENCHMARK(BM_MatMul)->Apply(MatMulShapes)->ArgNames({"kind", "m", "n", "k", "threads", "bf16"})->UseRealTime();

void BM_Activate(benchmark::State& state) {
  Context context;
  const std::vector<float> x = Random(64 * 3072);
  std::vector<float> y = x;
  for (auto _ : state) {
    y = x;  // in place it would drift to zero
    Activate(context, static_cast<Activation>(state.range(0)), y.data(), static_cast<int64_t>(y.size()));
  }
  ReportRate(state, "G/s", static_cast<double>(x.size()));
}
BENCHMARK(BM_Activate)->DenseRange(0, 5)->ArgName("act");

// Rows as a fused projection leaves them: sequences, tokens, heads, head dim, causal.
struct AttentionCase {
  explicit AttentionCase(const benchmark::State& state)
      : b(state.range(0)), t(state.range(1)), d(state.range(2) * state.range(3)), rows(Random(b * t * 3 * d)) {
    lengths.assign(static_cast<size_t>(b), static_cast<int32_t>(t));
    input = {.q = rows.data(),
             .k = rows.data() + d,
             .v = rows.data() + 2 * d,
             .q_stride = 3 * d,
             .kv_stride = 3 * d,
             .lengths = lengths};
    shape = {.heads = static_cast<int>(state.range(2)),
             .head_dim = static_cast<int>(state.range(3)),
             .causal = state.range(4) != 0,
             .scale = 0.125f};
  }
  double Flops() const { return 4.0 * static_cast<double>(b * t * t * d); }  // of the two products

  int64_t b, t, d;
  std::vector<float> rows;
  std::vector<int32_t> lengths;
  AttentionInput input;
  AttentionShape shape;
};

void BM_Attention(benchmark::State& state) {
  const AttentionCase c(state);
  Context context;
  std::vector<float> y(static_cast<size_t>(c.b * c.t * c.d));
  for (auto _ : state) Attention(context, c.input, c.shape, y.data());
  ReportRate(state, "GF", c.Flops());
}
BENCHMARK(BM_Attention)
    ->Args({32, 50, 12, 64, 0})
    ->Args({4, 197, 12, 64, 0})
    ->Args({4, 257, 16, 64, 0})
    ->Args({2, 257, 16, 80, 0})
    ->Args({1, 577, 16, 64, 0})
    ->Args({1, 1024, 16, 64, 0})
    ->Args({1000, 7, 8, 64, 1})
    ->Args({32, 77, 8, 64, 1})
    ->ArgNames({"b", "t", "heads", "head_dim", "causal"});

// Five products where forward has two.
void BM_AttentionBackward(benchmark::State& state) {
  const AttentionCase c(state);
  Context context;
  const std::vector<float> y = Random(c.b * c.t * c.d), dy = Random(c.b * c.t * c.d);
  std::vector<float> gradients(c.rows.size());
  float* dq = gradients.data();
  for (auto _ : state) {
    AttentionBackward(context, c.input, c.shape, y.data(), dy.data(), {dq, dq + c.d, dq + 2 * c.d});
  }
  ReportRate(state, "GF", 2.5 * c.Flops());
}
BENCHMARK(BM_AttentionBackward)
    ->Args({32, 50, 12, 64, 0})
    ->Args({4, 257, 16, 64, 0})
    ->Args({32, 12, 8, 64, 1})
    ->ArgNames({"b", "t", "heads", "head_dim", "causal"});

void BM_LayerNorm(benchmark::State& state) {
  const int64_t m = 1600, d = state.range(0);
  Context context;
  const std::vector<float> x = Random(m * d), gamma = Random(d), beta = Random(d);
  std::vector<float> y(x.size());
  for (auto _ : state) LayerNorm(context, x.data(), m, d, {gamma.data(), beta.data(), 1e-5f}, y.data());
  ReportRate(state, "G/s", static_cast<double>(m * d));
}
BENCHMARK(BM_LayerNorm)->Arg(384)->Arg(512)->Arg(768)->Arg(1024)->ArgName("d");

void BM_LayerNormBackward(benchmark::State& state) {
  const int64_t m = 1600, d = state.range(0);
  Context context;
  const std::vector<float> x = Random(m * d), dy = Random(m * d), gamma = Random(d), residual = Random(m * d);
  std::vector<float> dx(x.size()), sums(2 * d), statistics(2 * m, 1.0f);
  const LayerNormBackwardArgs args{.x = x.data(),
                                   .dy = dy.data(),
                                   .m = m,
                                   .d = d,
                                   .params = {gamma.data(), gamma.data(), 1e-5f},
                                   .statistics = {statistics.data(), statistics.data() + m},
                                   .dresidual = residual.data()};
  for (auto _ : state) LayerNormBackward(context, args, dx.data(), {sums.data(), sums.data() + d});
  ReportRate(state, "G/s", static_cast<double>(m * d));
}
BENCHMARK(BM_LayerNormBackward)->Arg(512)->Arg(768)->ArgName("d");

void BM_ActivateBackward(benchmark::State& state) {
  const int64_t n = 1600 * 3072;
  Context context;
  const std::vector<float> x = Random(n), dy = Random(n);
  std::vector<float> dx(x.size());
  const auto activation = static_cast<Activation>(state.range(0));
  for (auto _ : state) ActivateBackward(context, activation, x.data(), dy.data(), n, dx.data());
  ReportRate(state, "G/s", static_cast<double>(n));
}
BENCHMARK(BM_ActivateBackward)->DenseRange(0, 5)->ArgName("act");

void BM_AddColumnSums(benchmark::State& state) {
  const int64_t m = 1600, n = state.range(0);
  Context context;
  const std::vector<float> x = Random(m * n);
  std::vector<float> sums(n);
  for (auto _ : state) AddColumnSums(context, x.data(), m, n, sums.data());
  ReportRate(state, "G/s", static_cast<double>(m * n));
}
BENCHMARK(BM_AddColumnSums)->Arg(768)->Arg(3072)->ArgName("n");

// side, inputs, outputs, kernel, stride, groups: layers of EfficientNet-Lite0 and a ResNet's 3 x 3.
void BM_Conv(benchmark::State& state) {
  const int side = static_cast<int>(state.range(0));
  const ConvGeometry g{.in_channels = static_cast<int>(state.range(1)),
                       .out_channels = static_cast<int>(state.range(2)),
                       .kernel_h = static_cast<int>(state.range(3)),
                       .kernel_w = static_cast<int>(state.range(3)),
                       .stride = static_cast<int>(state.range(4)),
                       .groups = static_cast<int>(state.range(5)),
                       .padding = ConvGeometry::Padding::kSame};
  const Shape shape{g.out_channels, g.in_channels / g.groups, g.kernel_h, g.kernel_w};
  const int64_t out = g.OutSize(side, g.kernel_h);
  Context context;
  const std::vector<float> x = Random(int64_t{side} * side * g.in_channels), w = Random(shape.NumElements(), 0.1f);
  const std::vector<float> bias = Random(g.out_channels);
  std::vector<float> y(static_cast<size_t>(out * out * g.out_channels));
  const PackedWeight packed = PackConv(TensorView(w.data(), DType::kF32, shape), g);
  const Epilogue epilogue{.bias = bias.data(), .activation = Activation::kRelu6};
  for (auto _ : state) Conv(context, x.data(), 1, side, side, packed, epilogue, y.data());
  ReportRate(state, "GF", 2.0 * static_cast<double>(out * out * shape.NumElements()));
}
BENCHMARK(BM_Conv)
    ->Args({224, 3, 32, 3, 2, 1})
    ->Args({112, 32, 32, 3, 1, 32})
    ->Args({112, 16, 96, 1, 1, 1})
    ->Args({56, 144, 144, 3, 1, 144})
    ->Args({28, 240, 240, 5, 1, 240})
    ->Args({14, 672, 112, 1, 1, 1})
    ->Args({14, 672, 672, 5, 2, 672})
    ->Args({7, 1152, 192, 1, 1, 1})
    ->Args({7, 320, 1280, 1, 1, 1})
    ->Args({56, 64, 64, 3, 1, 1})
    ->ArgNames({"side", "in", "out", "kernel", "stride", "groups"});

}  // namespace
}  // namespace diptych::kernels

BENCHMARK_MAIN();
