#include "train/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <random>

#include "kernels/norms/norm.h"
#include "support/thread_communicator.h"
#include "train/test_util.h"

namespace diptych::train {
namespace {

using testing_support::RunRanks;

struct Batch {
  std::vector<float> images, texts, teacher_images, teacher_texts;
  int64_t n = 0, e = 0, k = 0;
  float logit_scale = 0, logit_bias = 0, teacher_scale = 1;

  // The rows [begin, begin + m).
  LossInput Rows(int64_t begin, int64_t m, bool with_teacher) const {
    LossInput input{.images = images.data() + begin * e, .texts = texts.data() + begin * e, .m = m, .e = e};
    input.logit_scale_log = logit_scale;
    input.logit_bias = logit_bias;
    if (with_teacher) {
      input.teacher_images = teacher_images.data() + begin * k;
      input.teacher_texts = teacher_texts.data() + begin * k;
      input.teacher_k = k;
      input.teacher_scale = teacher_scale;
    }
    return input;
  }
};

std::vector<float> RandomRows(int64_t n, int64_t e, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(n * e));
  for (float& value : rows) value = normal(engine);
  kernels::L2Normalize(rows.data(), n, e);
  return rows;
}

Batch RandomBatch(int64_t n) {
  Batch batch{.n = n, .e = 9, .k = 7, .logit_scale = 2, .logit_bias = -1.5f, .teacher_scale = 5};
  batch.images = RandomRows(n, batch.e, 1);
  batch.texts = RandomRows(n, batch.e, 2);
  batch.teacher_images = RandomRows(n, batch.k, 3);
  batch.teacher_texts = RandomRows(n, batch.k, 4);
  return batch;
}

struct Outcome {
  LossResult result;
  std::vector<float> dimages, dtexts;
  double dscale = 0, dbias = 0;
};

Outcome Compute(const Batch& batch, const LossOptions& options, bool with_teacher, int ranks = 1) {
  Outcome outcome;
  outcome.dimages.resize(batch.images.size());
  outcome.dtexts.resize(batch.texts.size());
  RunRanks(ranks, [&](Communicator& communicator) {
    const int64_t m = batch.n / ranks, begin = communicator.rank() * m;
    LossGradients gradients{.dimages = outcome.dimages.data() + begin * batch.e,
                            .dtexts = outcome.dtexts.data() + begin * batch.e};
    const int threads = ranks == 1 ? 2 : 1;
    Context context(threads, Mode::kTraining, Precision::kBF16);  // a precision that the loss must not follow
    const LossInput input = batch.Rows(begin, m, with_teacher);
    const LossResult result = ContrastiveLoss(context, communicator, options, input, gradients);
    EXPECT_EQ(context.precision(), Precision::kBF16);
    if (communicator.rank() == 0) {
      outcome.result = result;
      outcome.dscale = gradients.dlogit_scale_log;
      outcome.dbias = gradients.dlogit_bias;
    }
    communicator.Barrier();
    const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
    EXPECT_EQ(bits(result.loss), bits(outcome.result.loss));
    EXPECT_EQ(bits(result.image_top1), bits(outcome.result.image_top1));
    EXPECT_EQ(bits(gradients.dlogit_scale_log), bits(outcome.dscale));
    EXPECT_EQ(bits(gradients.dlogit_bias), bits(outcome.dbias));
  });
  return outcome;
}

struct Case {
  const char* name;
  LossOptions options;
  bool with_teacher = false;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"softmax", {}},
      {"sigmoid", {.kind = LossOptions::Kind::kSigmoid}},
      {"distill", {}, true},
      {"hard", {.hard_negatives = 0.5}},
  };
  return cases;
}

double Largest(TensorView values) {
  double largest = 0;
  for (int64_t i = 0; i < values.NumElements(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(values.data<float>()[i])));
  }
  return largest;
}

TEST(ContrastiveLoss, ValuesAndGradientsEqualOpenClip) {
  const Golden golden("losses/losses.safetensors");
  for (const std::string name : {"small", "sharp"}) {
    const auto in = [&](const std::string& what) { return golden[name + "/in/" + what]; };
    const auto floats = [&](const std::string& what) {
      return std::vector<float>(in(what).data<float>(), in(what).data<float>() + in(what).NumElements());
    };
    const Batch batch{.images = floats("images"),
                      .texts = floats("texts"),
                      .teacher_images = floats("teacher_images"),
                      .teacher_texts = floats("teacher_texts"),
                      .n = in("images").shape()[0],
                      .e = in("images").shape()[1],
                      .k = in("teacher_images").shape()[1],
                      .logit_scale = floats("logit_scale")[0],
                      .logit_bias = floats("logit_bias")[0],
                      .teacher_scale = floats("teacher_scale")[0]};
    for (const Case& one : Cases()) {
      SCOPED_TRACE(name + "/" + one.name);
      const auto expected = [&](const std::string& what) { return golden[name + "/" + one.name + "/" + what]; };
      const Outcome actual = Compute(batch, one.options, one.with_teacher);
      const auto scalar = [&](const char* what) { return static_cast<double>(expected(what).data<float>()[0]); };
      EXPECT_NEAR(actual.result.loss, scalar("loss"), 1e-5 * std::abs(scalar("loss")));
      EXPECT_LT(LargestError(actual.dimages.data(), expected("dimages")), 1e-5 * Largest(expected("dimages")));
      EXPECT_LT(LargestError(actual.dtexts.data(), expected("dtexts")), 1e-5 * Largest(expected("dtexts")));
      EXPECT_NEAR(actual.dscale, scalar("dlogit_scale"), 1e-5 * std::max(1.0, std::abs(scalar("dlogit_scale"))));
      EXPECT_NEAR(actual.dbias, scalar("dlogit_bias"), 1e-5 * std::max(1.0, std::abs(scalar("dlogit_bias"))));
    }
  }
}

// Every option at once, by central differences.
TEST(ContrastiveLoss, GradientsAreSlopes) {
  const std::vector<LossOptions> all = {
      {.hard_negatives = 0.7, .contrastive_weight = 0.6, .distillation_weight = 1.3},
      {.kind = LossOptions::Kind::kSigmoid, .contrastive_weight = 0.6, .distillation_weight = 1.3}};
  for (const LossOptions& options : all) {
    Batch batch = RandomBatch(6);
    const Outcome outcome = Compute(batch, options, true);
    const auto slope = [&](float& x) {
      constexpr float kStep = 1.0f / 256;
      const float at = x;
      x = at + kStep;
      const double above = Compute(batch, options, true).result.loss;
      x = at - kStep;
      const double below = Compute(batch, options, true).result.loss;
      x = at;
      return (above - below) / (2 * static_cast<double>(kStep));
    };
    for (size_t i = 0; i < batch.images.size(); ++i) {
      EXPECT_NEAR(outcome.dimages[i], slope(batch.images[i]), 1e-3) << i;
      EXPECT_NEAR(outcome.dtexts[i], slope(batch.texts[i]), 1e-3) << i;
    }
    EXPECT_NEAR(outcome.dscale, slope(batch.logit_scale), 1e-3);
    EXPECT_NEAR(outcome.dbias, slope(batch.logit_bias), 1e-3);
  }
}

TEST(ContrastiveLoss, RanksTogetherEqualOne) {
  const Batch batch = RandomBatch(12);
  for (const Case& one : Cases()) {
    const Outcome alone = Compute(batch, one.options, one.with_teacher);
    for (const int ranks : {2, 3, 4}) {
      SCOPED_TRACE(std::string(one.name) + " over " + std::to_string(ranks));
      const Outcome together = Compute(batch, one.options, one.with_teacher, ranks);
      EXPECT_NEAR(together.result.loss, alone.result.loss, 1e-6);
      EXPECT_EQ(together.result.image_top1, alone.result.image_top1);
      EXPECT_EQ(together.result.text_top1, alone.result.text_top1);
      EXPECT_NEAR(together.dscale, alone.dscale, 1e-6);
      EXPECT_NEAR(together.dbias, alone.dbias, 1e-6);
      for (size_t i = 0; i < alone.dimages.size(); ++i) {
        ASSERT_NEAR(together.dimages[i], alone.dimages[i], 1e-6) << i;
        ASSERT_NEAR(together.dtexts[i], alone.dtexts[i], 1e-6) << i;
      }
    }
  }
}

// 2,100 pairs of one rank need two pieces of logits, those of two ranks one each.
TEST(ContrastiveLoss, PiecesAddUp) {
  const Batch batch = RandomBatch(2100);
  for (const Case& one : Cases()) {
    SCOPED_TRACE(one.name);
    const Outcome alone = Compute(batch, one.options, one.with_teacher);
    const Outcome together = Compute(batch, one.options, one.with_teacher, 2);
    EXPECT_NEAR(together.result.loss, alone.result.loss, 1e-6 * alone.result.loss);
    double largest = 0, worst = 0;
    for (size_t i = 0; i < alone.dimages.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(alone.dimages[i])));
      worst = std::max(worst, std::abs(static_cast<double>(together.dimages[i]) - alone.dimages[i]));
    }
    EXPECT_LT(worst, 1e-5 * largest);
  }
}

TEST(ContrastiveLoss, CountsWhatIsClosestToItsOwn) {
  // Images 0 and 1 find their texts; image 2 has text 0's direction, and so has text 2.
  Batch batch{.images = {1, 0, 0, 1, 1, 0}, .texts = {1, 0, 0, 1, 1, 0}, .n = 3, .e = 2, .logit_scale = 1};
  LossResult result = Compute(batch, {}, false).result;
  EXPECT_DOUBLE_EQ(result.image_top1, 2.0 / 3);  // of equal texts the first counts
  EXPECT_DOUBLE_EQ(result.text_top1, 2.0 / 3);
  batch.texts = {0, 1, 1, 0, 0, -1};
  result = Compute(batch, {}, false).result;
  EXPECT_EQ(result.image_top1, 0);
  EXPECT_EQ(result.text_top1, 0);
}

TEST(ContrastiveLoss, OnePairHasNothingToTellApart) {
  const Batch batch = RandomBatch(1);
  for (const Case& one : {Cases()[0], Cases()[3]}) {
    const Outcome outcome = Compute(batch, one.options, false);
    EXPECT_NEAR(outcome.result.loss, 0, 1e-7) << one.name;
    EXPECT_EQ(outcome.result.image_top1, 1) << one.name;
    for (const float value : outcome.dimages) EXPECT_NEAR(value, 0, 1e-6) << one.name;
  }
}

TEST(ContrastiveLoss, WithoutGradientsItIsTheSame) {
  const Batch batch = RandomBatch(8);
  const Outcome expected = Compute(batch, {}, false);
  RunRanks(1, [&](Communicator& communicator) {
    Context context(2);
    LossGradients none;
    const LossInput input = batch.Rows(0, 8, false);
    EXPECT_EQ(ContrastiveLoss(context, communicator, {}, input, none).loss, expected.result.loss);
    std::vector<float> dtexts(batch.texts.size());
    LossGradients locked{.dtexts = dtexts.data()};
    EXPECT_EQ(ContrastiveLoss(context, communicator, {}, input, locked).loss, expected.result.loss);
    EXPECT_EQ(dtexts, expected.dtexts);
    EXPECT_EQ(locked.dlogit_scale_log, expected.dscale);
  });
}

TEST(ContrastiveLoss, NaNIsSeen) {
  Batch batch = RandomBatch(8);
  batch.images[30] = std::numeric_limits<float>::quiet_NaN();
  for (const Case& one : Cases()) {
    EXPECT_TRUE(std::isnan(Compute(batch, one.options, one.with_teacher).result.loss)) << one.name;
  }
}

}  // namespace
}  // namespace diptych::train
