// In the steady state a training step's part of this folder allocates nothing.
#include <gtest/gtest.h>

#include <random>

#include "kernels/norms/norm.h"
#include "support/allocation_counter.h"
#include "train/communicator.h"
#include "train/ema.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/test_util.h"

namespace diptych::train {
namespace {

using testing_support::AllocationsOf;

class Allocation : public testing::TestWithParam<int> {
 protected:
  Context context_{GetParam()};
};

TEST_P(Allocation, Loss) {
  const std::unique_ptr<Communicator> job = MakeCommunicator().value();
  const int64_t m = 40, e = 16;
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(4 * m * e), gradient(2 * m * e);
  for (float& x : rows) x = normal(engine);
  kernels::L2Normalize(rows.data(), 4 * m, e);
  LossInput input{.images = rows.data(), .texts = rows.data() + m * e, .m = m, .e = e, .logit_scale_log = 2};
  input.teacher_images = rows.data() + 2 * m * e;
  input.teacher_texts = rows.data() + 3 * m * e;
  input.teacher_k = e;
  LossGradients gradients{.dimages = gradient.data(), .dtexts = gradient.data() + m * e};
  const auto run = [&] { ContrastiveLoss(context_, *job, {.hard_negatives = 0.5}, input, gradients); };
  EXPECT_EQ(AllocationsOf(context_, run), 0);
}

TEST_P(Allocation, OptimizerAndAverage) {
  SmallModel small;
  Optimizer optimizer({.clip_norm = 1}, small.model);
  Ema ema({}, small.model);
  const auto run = [&] {
    optimizer.Step(context_, 0.01);
    ema.Update(context_);
  };
  EXPECT_EQ(AllocationsOf(context_, run), 0);
}

INSTANTIATE_TEST_SUITE_P(Threads, Allocation, testing::Values(1, 2));

}  // namespace
}  // namespace diptych::train
