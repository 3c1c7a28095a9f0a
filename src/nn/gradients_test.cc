// Every layer's backward pass by numeric differentiation: the slope of sum(y * dy) along the gradient itself and along
// a random direction. (Against PyTorch: clip/gradients_test.cc.)
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nn/attention_pool.h"
#include "nn/block.h"
#include "nn/conv_norm.h"

namespace diptych::nn {
namespace {

class Numbers {
 public:
  std::vector<float> Make(int64_t n, float scale = 1.0f) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& value : values) value = scale * normal_(engine_);
    return values;
  }

 private:
  std::mt19937 engine_{7};
  std::normal_distribution<float> normal_;
};

/// What the loss depends on, and the gradient that a backward pass gave for it.
struct Variable {
  std::string name;
  float* value;
  int64_t n;
  std::vector<float> gradient;
};

class LayerGradients : public testing::Test {
 protected:
  void Fill(Param& param, const std::string& name) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
    const bool matrix = param.shape().rank() > 1;
    const std::vector<float> values = numbers_.Make(param.shape().NumElements(), matrix ? 0.4f : 0.3f);
    std::copy(values.begin(), values.end(), tensor->mutable_data<float>());
    if (name.find("gamma") != std::string::npos) tensor->mutable_data<float>()[0] = 1.5f;
    param.Bind({{tensor->view(), tensor}});
    param.Train();
    params_.emplace_back(name, &param);
  }
  ParamVisitor Filler() {
    return [this](const std::string& name, Param& param) { Fill(param, name); };
  }

  /// y of the layer for x; the loss is sum(y * dy). `backward` gives dx.
  void Check(std::vector<float>& x, int64_t outputs, const std::function<void(float* y)>& forward,
             const std::function<void(const float* dy, float* dx)>& backward) {
    std::vector<float> dy = numbers_.Make(outputs), y(dy.size());
    std::vector<Variable> variables;
    std::vector<float> dx(x.size(), NAN);
    forward(y.data());
    backward(dy.data(), dx.data());
    variables.push_back({"x", x.data(), static_cast<int64_t>(x.size()), dx});
    for (const auto& [name, param] : params_) {
      const int64_t n = param->shape().NumElements();
      float* value = param->MutableValue().mutable_data<float>();
      variables.push_back({name, value, n, {param->grad(), param->grad() + n}});
    }
    const auto loss = [&] {
      forward(y.data());
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += double{y[i]} * dy[i];
      return sum;
    };
    for (const Variable& variable : variables) {
      CheckSlope(variable, variable.gradient, loss);
      CheckSlope(variable, numbers_.Make(variable.n), loss);
    }
  }

  Numbers numbers_;
  std::vector<std::pair<std::string, Param*>> params_;
  Context context_{1, Mode::kTraining};

 private:
  // A step of 1e-2 leaves about 1e-4 of curvature and 1e-5 of fp32's rounding in the slope, relative to the gradient.
  static void CheckSlope(const Variable& variable, std::vector<float> direction, const std::function<double()>& loss) {
    double length = 0, gradient = 0, expected = 0;
    for (size_t i = 0; i < direction.size(); ++i) {
      length += double{direction[i]} * direction[i];
      gradient += double{variable.gradient[i]} * variable.gradient[i];
    }
    length = std::sqrt(length);
    gradient = std::sqrt(gradient);
    ASSERT_GT(gradient, 0) << variable.name;
    const std::vector<float> start(variable.value, variable.value + variable.n);
    const double step = 1e-2;
    double losses[2];
    for (const int side : {0, 1}) {
      for (int64_t i = 0; i < variable.n; ++i) {
        const double u = direction[static_cast<size_t>(i)] / length;
        variable.value[i] = static_cast<float>(start[static_cast<size_t>(i)] + (side == 0 ? -step : step) * u);
      }
      losses[side] = loss();
    }
    for (int64_t i = 0; i < variable.n; ++i) {
      variable.value[i] = start[static_cast<size_t>(i)];
      expected += direction[static_cast<size_t>(i)] / length * variable.gradient[static_cast<size_t>(i)];
    }
    EXPECT_NEAR((losses[1] - losses[0]) / (2 * step), expected, 2e-3 * gradient) << variable.name;
  }
};

TEST_F(LayerGradients, Linear) {
  for (const kernels::WeightOrder order : {kernels::WeightOrder::kOutIn, kernels::WeightOrder::kInOut}) {
    params_.clear();
    const int64_t m = 5, k = 7, n = 6;
    Linear layer({.in = k, .out = n, .order = order});
    layer.Visit(Filler(), "");
    std::vector<float> x = numbers_.Make(m * k);
    const std::vector<float> residual = numbers_.Make(m * n);
    Check(
        x, m * n, [&](float* y) { layer.Forward(context_, x.data(), m, y, {.residual = residual.data()}); },
        [&](const float* dy, float* dx) { layer.Backward(context_, {.x = x.data(), .dy = dy, .m = m, .dx = dx}); });
  }
}

TEST_F(LayerGradients, LinearInTwoPartsIsLinear) {
  const int64_t m = 5, k = 7, n = 6;
  Linear layer({.in = k, .out = n});
  layer.Visit(Filler(), "");
  const std::vector<float> x = numbers_.Make(m * k), dy = numbers_.Make(m * n);
  std::vector<float> y(m * n), dx(m * k), part(m * n), dpart(m * k);
  layer.Forward(context_, x.data(), m, y.data());
  layer.Backward(context_, {.x = x.data(), .dy = dy.data(), .m = m, .dx = dx.data()});
  const std::vector<float> dw(layer.w.grad(), layer.w.grad() + n * k), db(layer.b.grad(), layer.b.grad() + n);
  layer.w.ZeroGrad();
  layer.b.ZeroGrad();
  for (const OutputRange range : {OutputRange{0, 2}, OutputRange{2, n}}) {
    const int64_t width = range.end - range.begin;
    layer.Forward(context_, x.data(), m, part.data(), {.outputs = range});
    std::vector<float> dy_part(static_cast<size_t>(m * width));
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        EXPECT_NEAR(part[i * width + j], y[i * n + range.begin + j], 1e-5f);
        dy_part[i * width + j] = dy[i * n + range.begin + j];
      }
    }
    layer.Backward(context_, {.x = x.data(),
                              .dy = dy_part.data(),
                              .m = m,
                              .dx = dpart.data(),
                              .accumulate = range.begin > 0,
                              .outputs = range});
  }
  for (int64_t i = 0; i < m * k; ++i) EXPECT_NEAR(dpart[i], dx[i], 1e-5f);
  for (int64_t i = 0; i < n * k; ++i) EXPECT_NEAR(layer.w.grad()[i], dw[i], 1e-5f);
  for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(layer.b.grad()[i], db[i], 1e-5f);
}

TEST_F(LayerGradients, LayerNorm) {
  const int64_t m = 5, d = 9;
  LayerNorm layer(d, 1e-5f);
  Fill(layer.gamma, "gamma");
  Fill(layer.beta, "beta");
  const Arena::Scope scope(context_.arena());
  const LayerNormCache cache = layer.Allocate(context_.arena(), m);
  std::vector<float> x = numbers_.Make(m * d);
  // sum(y * dy) + sum(x * dy): the residual connection around it
  Check(
      x, m * d,
      [&](float* y) {
        layer.Forward(context_, cache, x.data(), m, y);
        for (int64_t i = 0; i < m * d; ++i) y[i] += x[i];
      },
      [&](const float* dy, float* dx) {
        layer.Backward(context_, cache, {.x = x.data(), .dy = dy, .m = m, .dresidual = dy}, dx);
      });
}

TEST_F(LayerGradients, Mlp) {
  const int64_t m = 5, d = 6, f = 11;
  Mlp layer(d, f, kernels::Activation::kGelu);
  layer.fc1.Visit(Filler(), "fc1.");
  layer.fc2.Visit(Filler(), "fc2.");
  const Arena::Scope scope(context_.arena());
  const MlpCache cache = layer.Allocate(context_.arena(), m);
  std::vector<float> x = numbers_.Make(m * d);
  Check(
      x, m * d, [&](float* y) { layer.Forward(context_, cache, x.data(), x.data(), y); },
      [&](const float* dy, float* dx) {
        std::copy_n(dy, m * d, dx);
        layer.Backward(context_, cache, {.x = x.data(), .dy = dx, .dx = dx, .accumulate = true});
      });
}

struct Rows {
  std::vector<int32_t> lengths{4, 1, 3};
  std::vector<int64_t> pooled;
  PassRows pass() const { return {.lengths = lengths, .pooled = pooled, .count = 8}; }
};

TEST_F(LayerGradients, Attention) {
  const int64_t d = 6;
  for (const bool causal : {false, true}) {
    for (const Rows& rows : {Rows{}, Rows{.pooled = {3, 4, 7}}}) {
      params_.clear();
      Attention layer({.width = d, .heads = 2, .causal = causal});
      layer.qkv.Visit(Filler(), "qkv.");
      layer.out.Visit(Filler(), "out.");
      const Arena::Scope scope(context_.arena());
      const AttentionCache cache = layer.Allocate(context_.arena(), rows.pass());
      std::vector<float> x = numbers_.Make(8 * d);
      Check(
          x, rows.pass().Queries() * d, [&](float* y) { layer.Forward(context_, cache, x.data(), nullptr, y); },
          [&](const float* dy, float* dx) { layer.Backward(context_, cache, {.x = x.data(), .dy = dy, .dx = dx}); });
    }
  }
}

TEST_F(LayerGradients, Block) {
  const int64_t d = 6;
  const BlockConfig pre{.width = d, .mlp_width = 10, .heads = 2, .activation = kernels::Activation::kQuickGelu};
  BlockConfig causal = pre, post = pre;
  causal.causal = true;
  post.post_norm = true;
  const std::pair<BlockConfig, Rows> cases[] = {
      {pre, {}}, {causal, {}}, {post, {}}, {pre, {.pooled = {0, 4, 6}}}, {causal, {.pooled = {3, 4, 7}}}};
  for (const auto& [config, rows] : cases) {
    params_.clear();
    Block layer(config);
    layer.Visit(Filler(), "");
    const Arena::Scope scope(context_.arena());
    const BlockCache cache = layer.Allocate(context_.arena(), rows.pass());
    std::vector<float> x = numbers_.Make(8 * d);
    Check(
        x, rows.pass().Queries() * d, [&](float* y) { layer.Forward(context_, cache, x.data(), y); },
        [&](const float* dy, float* dx) { layer.Backward(context_, cache, x.data(), dy, dx); });
  }
}

TEST_F(LayerGradients, AttentionPool) {
  const int64_t b = 2, pixels = 4, d = 6, e = 5;
  AttentionPool layer({.pixels = pixels, .width = d, .heads = 2, .out = e});
  layer.Visit(Filler(), "");
  std::erase_if(params_, [](const auto& param) { return param.first == "k_proj.bias"; });  // its gradient is zero
  const Arena::Scope scope(context_.arena());
  const AttentionPoolCache cache = layer.Allocate(context_.arena(), b);
  std::vector<float> x = numbers_.Make(b * pixels * d);
  Check(
      x, b * e, [&](float* y) { layer.Forward(context_, cache, x.data(), y); },
      [&](const float* dy, float* dx) { layer.Backward(context_, cache, dy, dx); });
}

// Without an activation, whose kinks no difference gets over; those are tested with the kernels.
TEST_F(LayerGradients, ConvNorm) {
  const MapSize in{.b = 3, .h = 5, .w = 4, .c = 2};
  for (const bool residual : {false, true}) {
    params_.clear();
    ConvNorm layer({.in_channels = 2, .out_channels = 2, .kernel_h = 3, .kernel_w = 3, .pad = 1}, 1e-3f,
                   kernels::Activation::kNone);
    Fill(layer.w, "weight");
    Fill(layer.norm.gamma, "gamma");
    Fill(layer.norm.beta, "beta");
    const Arena::Scope scope(context_.arena());
    const ConvNormCache cache = layer.Allocate(context_.arena(), in);
    std::vector<float> x = numbers_.Make(in.NumElements());
    Check(
        x, in.NumElements(),
        [&](float* y) {
          layer.Forward(context_, cache, {.x = x.data(), .residual = residual ? x.data() : nullptr}, y);
        },
        [&](const float* dy, float* dx) {
          std::vector<float> lost(dy, dy + in.NumElements());
          float* gradient = residual ? dx : lost.data();
          if (residual) std::copy_n(dy, in.NumElements(), dx);
          const auto mode = residual ? kernels::Gradient::kAccumulate : kernels::Gradient::kWrite;
          layer.Backward(context_, cache,
                         {.x = x.data(), .dy = gradient, .residual = residual, .dx = dx, .mode = mode});
        });
  }
}

}  // namespace
}  // namespace diptych::nn
