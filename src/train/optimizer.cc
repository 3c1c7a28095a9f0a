#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/adamw.h"

namespace diptych::train {
namespace {

const float kMaxLogitScale = std::log(100.0f);

double RateOf(const OptimizerOptions& options, const TrainedModel::Place& place) {
  switch (place.part) {
    case TrainedModel::Part::kImage: return options.image_rate * std::pow(options.image_layer_decay, place.depth);
    case TrainedModel::Part::kText: return options.text_rate * std::pow(options.text_layer_decay, place.depth);
    case TrainedModel::Part::kHead: return options.head_rate;
  }
  return 1;
}

}  // namespace

bool IsExemptFromDecay(const std::string& name, const Shape& shape) {
  if (shape.rank() < 2) return true;
  const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
  return contains("bn") || contains("ln") || contains("bias") || contains("logit_scale");
}

Optimizer::Optimizer(const OptimizerOptions& options, const TrainedModel& model)
    : options_(options), logit_scale_(model.logit_scale) {
  model.Visit([&](const std::string& name, nn::Param& param, const TrainedModel::Place& place) {
    if (!param.trains()) return;
    entries_.push_back({.name = name,
                        .param = &param,
                        .rate = RateOf(options, place),
                        .weight_decay = IsExemptFromDecay(name, param.shape()) ? 0 : options.weight_decay,
                        .m = Tensor(DType::kF32, param.shape()),
                        .v = Tensor(DType::kF32, param.shape())});
  });
}

Optimizer::StepInfo Optimizer::Step(Context& context, double rate) {
  double squares = 0;
  for (const Entry& entry : entries_) {
    squares += kernels::SumOfSquares(context, entry.param->grad(), entry.param->shape().NumElements());
  }
  StepInfo info{.gradient_norm = std::sqrt(squares)};
  if (!std::isfinite(info.gradient_norm)) return info;

  double factor = 1;
  if (options_.clip_norm > 0) factor = std::min(1.0, options_.clip_norm / (info.gradient_norm + 1e-6));
  ++steps_;
  for (Entry& entry : entries_) {
    const kernels::AdamWOptions update{.rate = rate * entry.rate,
                                       .weight_decay = entry.weight_decay,
                                       .beta1 = options_.beta1,
                                       .beta2 = options_.beta2,
                                       .eps = options_.eps,
                                       .step = steps_,
                                       .gradient_factor = static_cast<float>(factor)};
    kernels::AdamW(context, update,
                   {.w = entry.param->MutableValue().mutable_data<float>(),
                    .gradient = entry.param->grad(),
                    .m = entry.m.mutable_data<float>(),
                    .v = entry.v.mutable_data<float>()},
                   entry.param->shape().NumElements());
  }
  if (logit_scale_ != nullptr && logit_scale_->trains()) {
    float* value = logit_scale_->MutableValue().mutable_data<float>();
    *value = std::clamp(*value, 0.0f, kMaxLogitScale);
  }
  info.updated = true;
  return info;
}

void Optimizer::Visit(const std::function<void(const std::string& name, MutableTensorView moment)>& f) {
  for (Entry& entry : entries_) {
    f(entry.name + ".exp_avg", entry.m.mutable_view());
    f(entry.name + ".exp_avg_sq", entry.v.mutable_view());
  }
}

}  // namespace diptych::train
