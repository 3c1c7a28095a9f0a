// In the steady state a training step of a text tower allocates nothing, with adapters too.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/allocation_counter.h"
#include "text/tower.h"

namespace diptych {
namespace {

TextTowerConfig Transformer() {
  return TransformerConfig{
      .context_length = 6, .vocab_size = 20, .width = 16, .layers = 2, .heads = 2, .mlp_width = 32, .embed_dim = 12};
}

TextTowerConfig Bert() {
  return BertConfig{.context_length = 6,
                    .vocab_size = 20,
                    .max_positions = 6,
                    .width = 16,
                    .layers = 2,
                    .heads = 2,
                    .mlp_width = 32,
                    .embed_dim = 12,
                    .projection = BertProjection::kMlp};
}

void Train(const std::string&, nn::Param& param) {
  auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
  std::fill_n(tensor->mutable_data<float>(), param.shape().NumElements(), 0.1f);
  param.Bind({{tensor->view(), tensor}});
  param.Train();
}

TEST(TrainingAllocation, NoneInTheSteadyState) {
  const std::vector<int32_t> ids{3, 4, 19, 5, 19}, lengths{3, 2};
  const std::vector<float> dpooled(2 * 12, 1.0f);
  std::vector<float> pooled(dpooled.size());
  for (const TextTowerConfig& config : {Transformer(), Bert()}) {
    const std::unique_ptr<TextTower> tower = MakeTextTower(config);
    for (int group = 0; group < tower->group_count(); ++group) {
      tower->VisitLinears(group, [](const std::string&, nn::Linear& linear) { linear.AddLora({.rank = 2}); });
    }
    tower->Visit(Train);
    for (const bool recompute : {false, true}) {
      Context context(1, Mode::kTraining);
      const std::unique_ptr<nn::TowerCache> cache = tower->MakeCache({.recompute = recompute});
      const auto step = [&] {
        const Arena::Scope scope(context.arena());
        tower->Forward(context, {.ids = ids, .lengths = lengths}, pooled.data(), cache.get());
        tower->Backward(context, dpooled.data(), *cache, {});
      };
      EXPECT_EQ(testing_support::AllocationsOf(context, step), 0) << config.index() << ", recompute " << recompute;
    }
  }
}

}  // namespace
}  // namespace diptych
