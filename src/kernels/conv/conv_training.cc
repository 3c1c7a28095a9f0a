#include "kernels/conv/conv_training.h"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/conv/conv_columns.h"
#include "kernels/conv/conv_descs.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/products/matmul.h"
#include "kernels/products/product.h"

namespace diptych::kernels {
namespace {

using dnnl::memory;

enum class Pass : uint8_t { kForward, kBackwardData, kBackwardWeights };

struct Key {
  Pass pass;
  ConvShape shape;
  int threads;

  friend auto operator<=>(const Key&, const Key&) = default;
};

// A primitive with the reorder of its weight, from the parameter's layout or, of a gradient, to it. Maps are in the
// order of the convolution: x and y, whichever of them are gradients.
class TrainingPrimitive {
 public:
  explicit TrainingPrimitive(const Key& key);

  // `w` is in the parameter's layout. Any number of threads may call it.
  void Run(Context& context, const float* x, const float* w, const float* y);

 private:
  // Memory objects are not thread safe: each concurrent run has its own, and an idle one is reused.
  struct Execution {
    dnnl::stream stream;
    memory x, y, plain, packed, scratch;
    std::vector<dnnl_exec_arg_t> args, reorder_args;
  };

  template <class Desc>
  void Keep(const Desc& desc, const memory::desc& weight);
  void Execute(const dnnl::primitive& primitive, const Execution& execution, const std::vector<dnnl_exec_arg_t>& args);
  std::unique_ptr<Execution> MakeExecution() const;
  std::unique_ptr<Execution> Acquire();
  void Release(std::unique_ptr<Execution> execution);

  const Pass pass_;
  dnnl::primitive primitive_, reorder_;
  memory::desc x_, y_, plain_, packed_, scratch_;
  bool reorders_ = false;
  std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<Execution>> idle_;
  size_t executions_ = 0;
};

template <class Desc>
void TrainingPrimitive::Keep(const Desc& desc, const memory::desc& weight) {
  packed_ = weight;
  scratch_ = desc.scratchpad_desc();
  RegisterImplementation(desc.impl_info_str());
}

TrainingPrimitive::TrainingPrimitive(const Key& key) : pass_(key.pass) {
  const ConvGeometry& g = key.shape.geometry;
  const ConvDescs maps(g, key.shape.b, key.shape.h, key.shape.w);
  x_ = maps.x;
  y_ = maps.y;
  plain_ = PlainWeight(g);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  CheckedDnnl([&] {
    const memory::desc any = AnyWeight(g);
    const dnnl::convolution_forward::primitive_desc forward(Engine(), dnnl::prop_kind::forward_training, kDirect, x_,
                                                            any, y_, maps.strides, maps.pad_before, maps.pad_after,
                                                            attributes);
    if (pass_ == Pass::kForward) {
      primitive_ = dnnl::convolution_forward(forward);
      Keep(forward, forward.weights_desc());
    } else if (pass_ == Pass::kBackwardData) {
      const dnnl::convolution_backward_data::primitive_desc desc(Engine(), kDirect, x_, any, y_, maps.strides,
                                                                 maps.pad_before, maps.pad_after, forward, attributes);
      primitive_ = dnnl::convolution_backward_data(desc);
      Keep(desc, desc.weights_desc());
    } else {
      const dnnl::convolution_backward_weights::primitive_desc desc(
          Engine(), kDirect, x_, any, y_, maps.strides, maps.pad_before, maps.pad_after, forward, attributes);
      primitive_ = dnnl::convolution_backward_weights(desc);
      Keep(desc, desc.diff_weights_desc());
    }
    reorders_ = packed_ != plain_;
    if (!reorders_) return;
    const bool outwards = pass_ == Pass::kBackwardWeights;
    const dnnl::reorder::primitive_desc desc(Engine(), outwards ? packed_ : plain_, Engine(),
                                             outwards ? plain_ : packed_, attributes);
    reorder_ = dnnl::reorder(desc);
  });
}

std::unique_ptr<TrainingPrimitive::Execution> TrainingPrimitive::MakeExecution() const {
  auto execution = std::make_unique<Execution>();
  CheckedDnnl([&] {
    execution->stream = dnnl::stream(Engine());
    const auto make = [](const memory::desc& desc) { return memory(desc, Engine(), DNNL_MEMORY_NONE); };
    execution->x = make(x_);
    execution->y = make(y_);
    execution->plain = make(plain_);
    execution->packed = make(packed_);
    execution->scratch = make(scratch_);
  });
  const auto argument = [](int which, const memory& m) { return dnnl_exec_arg_t{which, m.get()}; };
  const bool dx = pass_ == Pass::kBackwardData, dw = pass_ == Pass::kBackwardWeights;
  execution->args = {argument(dx ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, execution->x),
                     argument(pass_ == Pass::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, execution->y),
                     argument(dw ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, execution->packed),
                     argument(DNNL_ARG_SCRATCHPAD, execution->scratch)};
  execution->reorder_args = {argument(dw ? DNNL_ARG_TO : DNNL_ARG_FROM, execution->plain),
                             argument(dw ? DNNL_ARG_FROM : DNNL_ARG_TO, execution->packed)};
  return execution;
}

std::unique_ptr<TrainingPrimitive::Execution> TrainingPrimitive::Acquire() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    idle_.reserve(++executions_);  // so that giving it back never allocates
    return MakeExecution();
  }
  std::unique_ptr<Execution> execution = std::move(idle_.back());
  idle_.pop_back();
  return execution;
}

void TrainingPrimitive::Release(std::unique_ptr<Execution> execution) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(execution));
}

void TrainingPrimitive::Execute(const dnnl::primitive& primitive, const Execution& execution,
                                const std::vector<dnnl_exec_arg_t>& args) {
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive.get(), execution.stream.get(), static_cast<int>(args.size()), args.data());
  CHECK_EQ(status, dnnl_success);
}

void TrainingPrimitive::Run(Context& context, const float* x, const float* w, const float* y) {
  const Arena::Scope scope(context.arena());
  std::unique_ptr<Execution> execution = Acquire();
  const auto set = [](memory& m, const void* data) {
    CHECK_EQ(dnnl_memory_set_data_handle(m.get(), const_cast<void*>(data)), dnnl_success);
  };
  set(execution->x, x);
  set(execution->y, y);
  set(execution->plain, w);
  set(execution->packed, reorders_ ? context.arena().AllocateBytes(packed_.get_size()) : w);
  set(execution->scratch, context.arena().AllocateBytes(scratch_.get_size()));
  const bool outwards = pass_ == Pass::kBackwardWeights;
  if (reorders_ && !outwards) Execute(reorder_, *execution, execution->reorder_args);
  Execute(primitive_, *execution, execution->args);
  if (reorders_ && outwards) Execute(reorder_, *execution, execution->reorder_args);
  Release(std::move(execution));
}

// The primitive of a key, built once in the life of the process.
TrainingPrimitive& Find(const Key& key) {
  struct Cache {
    std::mutex mutex;
    std::map<Key, TrainingPrimitive> primitives;  // a map's nodes do not move
  };
  static auto* cache = new Cache;  // never destroyed: contexts may outlive static destruction
  const std::lock_guard lock(cache->mutex);
  return cache->primitives.try_emplace(key, key).first->second;
}

void RunPass(Context& context, Pass pass, const ConvShape& shape, const float* x, const float* w, const float* y) {
  const ScopedTeam team(context.threads());
  Find({pass, shape, context.threads()}).Run(context, x, w, y);
}

// Of the gradients of a dense weight, on AVX2. The library goes through channels-last maps at 70 GF while a row of both
// stays in L1 and at 40 to 60 beyond; the product has its windows to copy, at 60 GF for 32 outputs and 75 to 85
// from 64.
bool ProductIsFaster(const ConvShape& shape) {
  constexpr int64_t kFewOutputs = 64, kRowFloats = 4096;
  static const bool own_products = FasterProduct(512, 512) == Product::kBlocks;  // a matter of the CPU
  const ConvGeometry& g = shape.geometry;
  if (!own_products || g.groups != 1 || g.in_channels < 16) return false;
  return g.out_channels >= kFewOutputs || int64_t{shape.w} * (g.in_channels + g.out_channels) > kRowFloats;
}

// dx += x, on the context's team.
void AddParallel(Context& context, const float* x, int64_t n, float* y) {
  ParallelFor(context, n, 16384, [&](int64_t begin, int64_t end) { Add(x + begin, end - begin, y + begin); });
}

}  // namespace

int64_t ConvShape::InputElements() const {
  return b * h * w * geometry.in_channels;
}

int64_t ConvShape::OutputElements() const {
  return b * geometry.OutSize(h, geometry.kernel_h) * geometry.OutSize(w, geometry.kernel_w) * geometry.out_channels;
}

void TrainingConv(Context& context, const ConvShape& shape, const float* x, const float* w, float* y) {
  if (shape.b == 0) return;
  const ConvGeometry& g = shape.geometry;
  if (IsPointwise(g)) {
    return MatMul(context, {.m = shape.b * shape.h * shape.w,
                            .n = g.out_channels,
                            .k = g.in_channels,
                            .a = x,
                            .b = w,
                            .transpose_b = true,
                            .c = y});
  }
  RunPass(context, Pass::kForward, shape, x, w, y);
}

// y = x * w: dx = the correlation of dy with w turned around.
void ConvBackwardData(Context& context, const ConvShape& shape, const float* dy, const float* w, float* dx,
                      Gradient mode) {
  if (shape.b == 0) return;
  const ConvGeometry& g = shape.geometry;
  const bool accumulates = mode == Gradient::kAccumulate;
  if (IsPointwise(g)) {
    return MatMul(context, {.m = shape.b * shape.h * shape.w,
                            .n = g.in_channels,
                            .k = g.out_channels,
                            .a = dy,
                            .b = w,
                            .c = dx,
                            .accumulate = accumulates});
  }
  if (!accumulates) return RunPass(context, Pass::kBackwardData, shape, dx, w, dy);
  const Arena::Scope scope(context.arena());
  float* own = context.arena().Allocate<float>(shape.InputElements());
  RunPass(context, Pass::kBackwardData, shape, own, w, dy);
  AddParallel(context, own, shape.InputElements(), dx);
}

void ConvBackwardWeights(Context& context, const ConvShape& shape, const float* x, const float* dy, float* dw) {
  if (shape.b == 0) return;
  const ConvGeometry& g = shape.geometry;
  if (IsPointwise(g)) {
    return MatMul(context, {.m = g.out_channels,
                            .n = g.in_channels,
                            .k = shape.b * shape.h * shape.w,
                            .a = dy,
                            .transpose_a = true,
                            .b = x,
                            .c = dw,
                            .accumulate = true});
  }
  if (ProductIsFaster(shape)) return ConvWeightsByProduct(context, shape, x, dy, dw);
  const Arena::Scope scope(context.arena());
  const int64_t n = int64_t{g.out_channels} * (g.in_channels / g.groups) * g.kernel_h * g.kernel_w;
  float* own = context.arena().Allocate<float>(n);
  RunPass(context, Pass::kBackwardWeights, shape, x, own, dy);
  AddParallel(context, own, n, dw);
}

}  // namespace diptych::kernels
