#include "train/ema.h"

#include <algorithm>
#include <array>

#include "kernels/adamw.h"

namespace diptych::train {

Ema::Ema(const EmaOptions& options, const TrainedModel& model) : options_(options) {
  std::array<bool, 3> trains{};
  model.Visit([&](const std::string&, nn::Param& param, const TrainedModel::Place& place) {
    trains[static_cast<size_t>(place.part)] |= param.trains();
  });
  model.Visit([&](const std::string& name, nn::Param& param, const TrainedModel::Place& place) {
    const bool moves = param.role() == nn::Param::Role::kBuffer && trains[static_cast<size_t>(place.part)];
    if (!param.trains() && !moves) return;
    Entry entry{.name = name, .param = &param, .average = Tensor::Uninitialized(DType::kF32, param.shape())};
    std::copy_n(param.MutableValue().data<float>(), param.shape().NumElements(), entry.average.mutable_data<float>());
    entries_.push_back(std::move(entry));
  });
}

void Ema::Update(Context& context) {
  ++updates_;
  double decay = options_.decay;
  if (options_.warmup) {
    decay = std::min(decay, static_cast<double>(1 + updates_) / static_cast<double>(10 + updates_));
  }
  for (Entry& entry : entries_) {
    kernels::Lerp(context, entry.param->floats(), static_cast<float>(1 - decay), entry.average.mutable_data<float>(),
                  entry.param->shape().NumElements());
  }
}

void Ema::Swap() {
  for (Entry& entry : entries_) {
    float* average = entry.average.mutable_data<float>();
    std::swap_ranges(average, average + entry.average.view().NumElements(),
                     entry.param->MutableValue().mutable_data<float>());
  }
}

void Ema::Visit(const std::function<void(const std::string& name, MutableTensorView average)>& f) {
  for (Entry& entry : entries_) f(entry.name, entry.average.mutable_view());
}

}  // namespace diptych::train
