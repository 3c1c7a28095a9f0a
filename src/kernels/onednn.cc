#include "kernels/onednn.h"

#include <omp.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "kernels/runtime.h"

namespace diptych::kernels {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<std::string> names;
};

Registry& TheRegistry() {
  static auto* registry = new Registry;  // never destroyed: plans may outlive static destruction
  return *registry;
}

}  // namespace

const dnnl::engine& Engine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

ScopedTeam::ScopedTeam(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}
ScopedTeam::~ScopedTeam() {
  omp_set_num_threads(before_);
}

void CheckedDnnl(const std::function<void()>& f) {
  try {
    f();
  } catch (const dnnl::error& error) {
    CHECK(false) << " oneDNN: " << error.what() << " (status " << static_cast<int>(error.status) << ")";
  }
}

void Reorder(const dnnl::memory& x, const dnnl::memory& y) {
  const ScopedTeam team(1);
  CheckedDnnl([&] {
    dnnl::stream stream(Engine());
    dnnl::reorder(x, y).execute(stream, const_cast<dnnl::memory&>(x), const_cast<dnnl::memory&>(y));
    stream.wait();
  });
}

void Execute(const dnnl::primitive& primitive, std::span<const dnnl_exec_arg_t> args) {
  thread_local dnnl::stream stream(Engine());
  CHECK_EQ(dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(args.size()), args.data()),
           dnnl_success);
}

void RegisterImplementation(const char* name) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  registry.names.insert(name);
}

std::vector<std::string> ImplementationsInUse() {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  return {registry.names.begin(), registry.names.end()};
}

dnnl::primitive_attr AttributesOf(const PrimitiveKey& key) {
  dnnl::post_ops ops;
  if (key.residual) ops.append_sum(1.0f);
  using dnnl::algorithm;
  switch (key.activation) {
    case Activation::kNone: break;
    case Activation::kRelu: ops.append_eltwise(algorithm::eltwise_relu, 0.0f, 0.0f); break;
    case Activation::kRelu6: ops.append_eltwise(algorithm::eltwise_clip, 0.0f, 6.0f); break;
    case Activation::kQuickGelu: ops.append_eltwise(algorithm::eltwise_swish, 1.702f, 0.0f); break;
    case Activation::kGelu: ops.append_eltwise(algorithm::eltwise_gelu_erf, 0.0f, 0.0f); break;
    case Activation::kGeluTanh: ops.append_eltwise(algorithm::eltwise_gelu_tanh, 0.0f, 0.0f); break;
  }
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_post_ops(ops);
  return attributes;
}

WeightedPrimitives::WeightedPrimitives(PlanPrimitive plan, const dnnl::memory& plain, const PrimitiveKey& nominal)
    : plan_(std::move(plan)) {
  const ScopedTeam team(nominal.threads);
  CheckedDnnl([&] {
    dnnl::memory::desc any = plain.get_desc();
    any = dnnl::memory::desc(any.get_dims(), any.get_data_type(), dnnl::memory::format_tag::any);
    packed_.emplace_back(plan_(nominal, any).desc.weights_desc(0), Engine());
  });
  Reorder(plain, packed_.front());
}

// The layout that a primitive likes best may depend on its size. Where it is not what we have, the packed layout is
// kept if it runs on the same implementation; otherwise a second copy of the weight is worth its memory: convolutions
// alone come here, and few of them.
dnnl::memory WeightedPrimitives::WeightsFor(const PrimitiveKey& key, PrimitivePlan& plan) const {
  const dnnl::memory::desc wanted = plan.desc.weights_desc(0);
  for (const dnnl::memory& weights : packed_) {
    if (weights.get_desc() == wanted) return weights;
  }
  const std::string best = plan.desc.impl_info_str();
  PrimitivePlan fixed = plan_(key, packed_.front().get_desc());
  if (fixed.desc && best == fixed.desc.impl_info_str()) {
    plan = std::move(fixed);
    return packed_.front();
  }
  // By way of the plain layout: from one blocked layout to another the library has a slow loop only.
  dnnl::memory::dims strides(wanted.get_dims().size(), 1);
  for (size_t i = strides.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * wanted.get_dims()[i];
  const dnnl::memory plain({wanted.get_dims(), wanted.get_data_type(), strides}, Engine());
  Reorder(packed_.front(), plain);
  packed_.emplace_back(wanted, Engine());
  Reorder(plain, packed_.back());
  return packed_.back();
}

void WeightedPrimitives::Build(const PrimitiveKey& key, Entry& entry) const {
  CheckedDnnl([&] {
    const dnnl::memory::desc packed = packed_.front().get_desc();
    const dnnl::memory::desc any(packed.get_dims(), packed.get_data_type(), dnnl::memory::format_tag::any);
    PrimitivePlan plan = plan_(key, any);
    entry.weights = WeightsFor(key, plan);
    entry.primitive = plan.make();
    entry.x = plan.desc.src_desc(0);
    entry.y = plan.desc.dst_desc(0);
    entry.scratch = plan.desc.scratchpad_desc();
    if (key.bias) entry.bias = plan.desc.weights_desc(1);
    RegisterImplementation(plan.desc.impl_info_str());
  });
}

std::unique_ptr<WeightedPrimitives::Execution> WeightedPrimitives::MakeExecution(const Entry& entry, bool has_bias) {
  auto execution = std::make_unique<Execution>();
  CheckedDnnl([&] {
    execution->stream = dnnl::stream(Engine());
    const auto add = [&](dnnl::memory& memory, const dnnl::memory::desc& desc, int argument) {
      memory = dnnl::memory(desc, Engine(), DNNL_MEMORY_NONE);
      execution->args.push_back({argument, memory.get()});
    };
    add(execution->x, entry.x, DNNL_ARG_SRC);
    add(execution->y, entry.y, DNNL_ARG_DST);
    add(execution->scratch, entry.scratch, DNNL_ARG_SCRATCHPAD);
    if (has_bias) add(execution->bias, entry.bias, DNNL_ARG_BIAS);
    execution->args.push_back({DNNL_ARG_WEIGHTS, entry.weights.get()});
  });
  return execution;
}

WeightedPrimitives::Entry& WeightedPrimitives::Acquire(const PrimitiveKey& key,
                                                       std::unique_ptr<Execution>& execution) const {
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    found = entries_.try_emplace(key).first;  // an entry stays where it is: a map's nodes do not move
    Build(key, found->second);
  }
  Entry& entry = found->second;
  if (entry.idle.empty()) {
    execution = MakeExecution(entry, key.bias);
    entry.idle.reserve(++entry.executions);  // so that giving it back never allocates
  } else {
    execution = std::move(entry.idle.back());
    entry.idle.pop_back();
  }
  return entry;
}

void WeightedPrimitives::Run(Context& context, PrimitiveKey key, const float* x, const Epilogue& epilogue,
                             std::span<float> y) const {
  key.threads = context.threads();
  key.bias = epilogue.bias != nullptr;
  key.residual = epilogue.residual != nullptr;
  key.activation = epilogue.activation;
  // The library's sum takes its addend from y: in place for the usual x += f(x), otherwise one copy first.
  if (key.residual && epilogue.residual != y.data()) std::copy_n(epilogue.residual, y.size(), y.data());

  const ScopedTeam team(key.threads);
  std::unique_ptr<Execution> execution;
  Entry& entry = Acquire(key, execution);
  const Arena::Scope scope(context.arena());
  const auto set = [](dnnl::memory& memory, const void* data) {
    CHECK_EQ(dnnl_memory_set_data_handle(memory.get(), const_cast<void*>(data)), dnnl_success);
  };
  set(execution->x, x);
  set(execution->y, y.data());
  if (key.bias) set(execution->bias, epilogue.bias);
  set(execution->scratch, context.arena().AllocateBytes(entry.scratch.get_size()));
  const dnnl_status_t status = dnnl_primitive_execute(entry.primitive.get(), execution->stream.get(),
                                                      static_cast<int>(execution->args.size()), execution->args.data());
  CHECK_EQ(status, dnnl_success);
  const std::lock_guard lock(mutex_);
  entry.idle.push_back(std::move(execution));
}

}  // namespace diptych::kernels
