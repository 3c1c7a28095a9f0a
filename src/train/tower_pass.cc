#include "train/tower_pass.h"

#include <numeric>
#include <span>
#include <utility>

namespace diptych::train {
namespace {

// What both towers do alike. Input: what the tower takes of some rows.
template <class Tower, class Plan, class Input>
class PassOf : public TowerPass {
 public:
  PassOf(Tower& tower, bool locked, const nn::CacheOptions& options)
      : TowerPass(locked, locked ? nullptr : tower.MakeCache(options)), tower_(tower) {
    if (locked) plan_ = tower.Prepare(Precision::kF32);
  }

  void Forward(Context& context, const TrainBatch& batch, RowRange rows, bool keep, float* pooled) override {
    const Input input = InputOf(batch, rows);
    if (locked_) {
      plan_->Forward(context, input, {.pooled = pooled});
    } else {
      tower_.Forward(context, input, pooled, keep ? cache_.get() : nullptr);
    }
  }

  void Backward(Context& context, const float* dpooled, const nn::GroupDone& done) override {
    CHECK(!locked_) << " a locked tower has no gradients";
    tower_.Backward(context, dpooled, *cache_, done);
  }

  void VisitTrained(int group, const std::function<void(nn::Param&)>& f) override {
    tower_.VisitGroup(group, [&](const std::string&, nn::Param& param) {
      if (param.trains()) f(param);
    });
  }

 protected:
  virtual Input InputOf(const TrainBatch& batch, RowRange rows) const = 0;

 private:
  Tower& tower_;
  std::unique_ptr<Plan> plan_;
};

class ImagePass : public PassOf<ImageTower, ImageTowerPlan, ImageInput> {
 public:
  using PassOf::PassOf;

 private:
  ImageInput InputOf(const TrainBatch& batch, RowRange rows) const override {
    const Shape& shape = batch.pixels.shape();  // (B, 3, S, S)
    const int64_t picture = shape[1] * shape[2] * shape[3];
    return {.pixels = batch.pixels.data<float>() + rows.begin * picture, .batch = rows.size()};
  }
};

class TextPass : public PassOf<TextTower, TextTowerPlan, TextInput> {
 public:
  using PassOf::PassOf;

 private:
  TextInput InputOf(const TrainBatch& batch, RowRange rows) const override {
    const std::span<const int32_t> all(batch.lengths);
    const auto begin = static_cast<size_t>(rows.begin), count = static_cast<size_t>(rows.size());
    const auto sum = [](std::span<const int32_t> lengths) {
      return static_cast<size_t>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}));
    };
    const std::span<const int32_t> lengths = all.subspan(begin, count);
    return {.ids = std::span<const int32_t>(batch.ids).subspan(sum(all.first(begin)), sum(lengths)),
            .lengths = lengths};
  }
};

}  // namespace

std::unique_ptr<TowerPass> MakeTowerPass(ImageTower& tower, bool locked, const nn::CacheOptions& options) {
  return std::make_unique<ImagePass>(tower, locked, options);
}

std::unique_ptr<TowerPass> MakeTowerPass(TextTower& tower, bool locked, const nn::CacheOptions& options) {
  return std::make_unique<TextPass>(tower, locked, options);
}

}  // namespace diptych::train
