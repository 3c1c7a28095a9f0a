// Whole steps: against PyTorch (tools/golden/training.py), in pieces, stopped and resumed, over several processes.
#include "train/trainer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "clip/test_checkpoint.h"
#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "support/thread_communicator.h"

namespace diptych::train {
namespace {

constexpr int kBatch = 6, kSide = 16, kContext = 9;

std::shared_ptr<ClipModel> MakeTiny() {
  ClipConfig config;
  config.embed_dim = 12;
  config.image = VitConfig{
      .image_size = kSide, .patch_size = 4, .width = 18, .layers = 2, .heads = 2, .mlp_width = 30, .embed_dim = 12};
  config.text = TransformerConfig{.context_length = kContext,
                                  .vocab_size = 40,
                                  .width = 18,
                                  .layers = 2,
                                  .heads = 2,
                                  .mlp_width = 30,
                                  .embed_dim = 12};
  config.preprocess.crop = kSide;
  auto model = std::make_shared<ClipModel>(MakeClipModel(config));
  model->Visit([](const std::string& name, nn::Param& param) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, param.shape());
    const std::vector<float> values = MadeWeight(name, param.shape());
    std::copy(values.begin(), values.end(), tensor->mutable_data<float>());
    if (name == "logit_scale") tensor->mutable_data<float>()[0] = std::log(1 / 0.07f);
    param.Bind({{tensor->view(), tensor}});
  });
  return model;
}

// Rows [begin, end) of the batch of a step, as the golden script makes it.
TrainBatch MakeBatch(int step, int begin = 0, int end = kBatch) {
  TrainBatch batch;
  const std::vector<float> pixels = Uniform("pixels " + std::to_string(step), int64_t{kBatch} * 3 * kSide * kSide);
  const int64_t picture = 3 * kSide * kSide;
  batch.pixels = Tensor(DType::kF32, {end - begin, 3, kSide, kSide});
  std::copy_n(pixels.begin() + begin * picture, (end - begin) * picture, batch.pixels.mutable_data<float>());
  for (int i = begin; i < end; ++i) {
    std::vector<double> u;
    for (const float x : Uniform("text " + std::to_string(step) + " " + std::to_string(i), 8))
      u.push_back((x + 1.0) / 2);
    const int length = 1 + static_cast<int>(u[0] * 7);
    batch.keys.push_back("sample " + std::to_string(step) + "." + std::to_string(i));
    batch.ids.push_back(38);
    for (int j = 1; j <= length; ++j) batch.ids.push_back(1 + static_cast<int32_t>(u[static_cast<size_t>(j)] * 29));
    batch.ids.push_back(39);
    batch.lengths.push_back(length + 2);
  }
  return batch;
}

TrainerOptions Recipe() {
  TrainerOptions options;
  options.schedule = {.rate = 2e-3, .warmup = 3, .steps = 10};
  options.optimizer.clip_norm = 1.0;
  return options;
}

struct Training {
  std::unique_ptr<Communicator> job = OneProcess();
  std::unique_ptr<Trainer> trainer;

  explicit Training(const TrainerOptions& options) { trainer = *Trainer::Create(MakeTiny(), *job, options); }

  std::vector<double> Steps(int begin, int end) {
    std::vector<double> losses;
    for (int step = begin; step < end; ++step) losses.push_back(trainer->Step(MakeBatch(step))->loss.loss);
    return losses;
  }
  std::vector<float> Weights() {
    std::vector<float> all;
    EXPECT_TRUE(trainer
                    ->WithSavedWeights([&](ClipModel& model) {
                      model.Visit([&](const std::string&, nn::Param& param) {
                        const std::vector<float> values = param.ToFloats();
                        all.insert(all.end(), values.begin(), values.end());
                      });
                      return Status::Ok();
                    })
                    .ok());
    return all;
  }
};

double WorstDifference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

Json Golden() {
  return *LoadJson(std::string(DIPTYCH_SOURCE_DIR) + "/tests/golden/training/steps.json");
}

TEST(TrainerTest, TenStepsFollowPyTorch) {
  const Json golden = Golden();
  Training run(Recipe());
  for (int step = 0; step < 10; ++step) {
    const Result<StepResult> result = run.trainer->Step(MakeBatch(step));
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_NEAR(result->loss.loss, golden["losses"][step].get<double>(), 1e-4) << "step " << step;
    EXPECT_NEAR(result->logit_scale, golden["scales"][step].get<double>(), 1e-4) << "step " << step;
  }
  const_cast<ClipModel&>(run.trainer->model()).Visit([&](const std::string& name, nn::Param& param) {
    double sum_of_squares = 0;
    for (const float x : param.ToFloats()) sum_of_squares += double{x} * x;
    const double norm = golden["parameters"][name]["norm"];
    EXPECT_NEAR(std::sqrt(sum_of_squares), norm, 1e-3 * norm) << name;
  });
}

// Gradient caching: the loss is over the whole batch, so ten steps in pieces are ten steps of the whole.
TEST(TrainerTest, PiecesAreTheWholeBatch) {
  const std::vector<double> whole = Training(Recipe()).Steps(0, 10);
  for (const int pieces : {2, 3, 4, 6}) {
    TrainerOptions options = Recipe();
    options.pieces = pieces;
    EXPECT_LT(WorstDifference(Training(options).Steps(0, 10), whole), 2e-5) << pieces << " pieces";
  }
}

TEST(TrainerTest, RecomputedBlocksGiveTheSameBits) {
  TrainerOptions options = Recipe();
  Training kept(options);
  options.cache.recompute = true;
  Training recomputed(options);
  EXPECT_EQ(kept.Steps(0, 5), recomputed.Steps(0, 5));
  EXPECT_EQ(kept.Weights(), recomputed.Weights());
}

class TrainerStateTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder_.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path() const { return folder_ + "/state.safetensors"; }

  std::string folder_ = testing::TempDir() + "/diptych_state_XXXXXX";
};

TEST_F(TrainerStateTest, AResumedRunIsTheUninterruptedOne) {
  TrainerOptions options = Recipe();
  options.ema = EmaOptions{.decay = 0.9};
  options.pieces = 2;
  options.image.lora_rank = 2;
  Training straight(options);
  straight.Steps(0, 4);
  ASSERT_TRUE(straight.trainer->SaveState(Path(), "as it was").ok());
  const std::vector<double> expected = straight.Steps(4, 8);

  Training resumed(options);
  EXPECT_EQ(*Trainer::ReadAbout(Path()), "as it was");
  const Status loaded = resumed.trainer->LoadState(Path());
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  EXPECT_EQ(resumed.trainer->step(), 4);
  EXPECT_EQ(resumed.Steps(4, 8), expected);
  EXPECT_EQ(resumed.Weights(), straight.Weights());
}

TEST_F(TrainerStateTest, AStateOfAnotherRunIsRefusedAndChangesNothing) {
  Training other(Recipe());
  ASSERT_TRUE(other.trainer->SaveState(Path(), "").ok());
  TrainerOptions options = Recipe();
  options.ema = EmaOptions{};
  Training run(options);
  const std::vector<float> before = run.Weights();
  const Status loaded = run.trainer->LoadState(Path());
  EXPECT_NE(loaded.ToString().find("has no tensor \"ema."), std::string::npos) << loaded.ToString();
  EXPECT_EQ(run.Weights(), before);
}

TEST_F(TrainerStateTest, ADamagedStateIsRefused) {
  Training run(Recipe());
  ASSERT_TRUE(run.trainer->SaveState(Path(), "").ok());
  const std::string bytes = *ReadFile(Path());
  for (const size_t size : {bytes.size() / 2, size_t{7}, size_t{0}}) {
    ASSERT_TRUE(WriteFileAtomically(Path(), bytes.substr(0, size)).ok());
    EXPECT_FALSE(run.trainer->LoadState(Path()).ok()) << size << " bytes";
  }
}

// Bytes of the header and of what the state says about itself.
TEST_F(TrainerStateTest, MutantStatesAreReadOrRefused) {
  Training run(Recipe());
  ASSERT_TRUE(run.trainer->SaveState(Path(), "").ok());
  const std::string good = *ReadFile(Path());
  uint64_t header = 0;
  std::memcpy(&header, good.data(), sizeof header);
  const size_t about = good.find("{\"about\":", header);
  ASSERT_NE(about, std::string::npos);
  const uint64_t about_size = std::min<uint64_t>(60, good.size() - about);
  Rng rng(1);
  const std::vector<float> before = run.Weights();
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string mutant = good;
    for (int k = 0; k < 3; ++k) {
      const size_t at = rng.Below(2) == 0 ? about + rng.Below(about_size) : rng.Below(header + 8);
      mutant[at] = static_cast<char>(rng.Below(4) == 0 ? rng.NextU32() : " {}[]\",:-0129"[rng.Below(14)]);
    }
    if (rng.Below(4) == 0) mutant.resize(rng.Below(mutant.size()));
    std::ofstream(Path(), std::ios::binary) << mutant;  // without the wait for the disk of an atomic write
    static_cast<void>(Trainer::ReadAbout(Path()));
    const Status loaded = run.trainer->LoadState(Path());
    refused += loaded.ok() ? 0 : 1;
    EXPECT_TRUE(loaded.ok() || loaded.where().starts_with(Path())) << loaded.ToString();
  }
  EXPECT_GT(refused, 450);
  EXPECT_EQ(run.Weights(), before);
}

TEST(TrainerTest, WhatIsNotFiniteStopsAndNamesItsSamples) {
  Training run(Recipe());
  run.Steps(0, 1);
  const std::vector<float> before = run.Weights();
  TrainBatch batch = MakeBatch(1);
  batch.pixels.mutable_data<float>()[7] = std::numeric_limits<float>::infinity();
  const Result<StepResult> result = run.trainer->Step(batch);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().ToString().find("step 2: the loss is not a finite number"), std::string::npos);
  EXPECT_NE(result.status().ToString().find("sample 1.0, sample 1.1"), std::string::npos);
  EXPECT_EQ(run.Weights(), before);
  EXPECT_EQ(run.trainer->step(), 1);
}

TEST(TrainerTest, WhatIsNotFiniteNamesTheSamplesOfAllProcesses) {
  testing_support::RunRanks(2, [&](Communicator& communicator) {
    const auto trainer = *Trainer::Create(MakeTiny(), communicator, Recipe());
    const int rows = kBatch / 2, begin = communicator.rank() * rows;
    TrainBatch batch = MakeBatch(0, begin, begin + rows);
    if (communicator.rank() == 1) batch.pixels.mutable_data<float>()[0] = std::numeric_limits<float>::infinity();
    const Result<StepResult> result = trainer->Step(batch);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.status().ToString().find("sample 0.0, sample 0.1, sample 0.2; sample 0.3, sample 0.4, sample 0.5"),
              std::string::npos)
        << result.status().ToString();
  });
}

TEST(TrainerTest, FrozenPartsStayAndTheRestLearns) {
  TrainerOptions options = Recipe();
  options.image.locked = true;
  options.text.last_blocks = 1;
  Training run(options);
  std::map<std::string, std::vector<float>> before;
  ClipModel& model = const_cast<ClipModel&>(run.trainer->model());
  model.Visit([&](const std::string& name, nn::Param& param) { before[name] = param.ToFloats(); });
  const std::vector<double> losses = run.Steps(0, 10);
  EXPECT_LT(losses.back(), losses.front());
  model.Visit([&](const std::string& name, nn::Param& param) {
    const bool trains = name == "text_projection" || name == "logit_scale" || name.starts_with("ln_final.") ||
                        name.starts_with("transformer.resblocks.1.");
    EXPECT_EQ(param.ToFloats() != before[name], trains) << name;
  });
}

TEST(TrainerTest, OptionsThatContradictEachOtherAreRefused) {
  const std::unique_ptr<Communicator> job = OneProcess();
  const auto error = [&](const TowerTraining& image) {
    TrainerOptions options = Recipe();
    options.image = image;
    return Trainer::Create(MakeTiny(), *job, options).status().ToString();
  };
  EXPECT_NE(error({.last_blocks = 3}).find("--image-blocks: 3 is more than the tower's 2 blocks"), std::string::npos);
  EXPECT_NE(error({.last_blocks = 1, .lora_rank = 2}).find("exclude each other"), std::string::npos);
  EXPECT_NE(error({.locked = true, .lora_rank = 2}).find("--lock-image"), std::string::npos);
}

// Two and three processes, each with its rows, see the loss of one with all of them.
TEST(TrainerTest, ProcessesTogetherAreOne) {
  const std::vector<double> alone = Training(Recipe()).Steps(0, 6);
  for (const int ranks : {2, 3}) {
    std::vector<std::vector<double>> losses(static_cast<size_t>(ranks));
    testing_support::RunRanks(ranks, [&](Communicator& communicator) {
      const auto trainer = *Trainer::Create(MakeTiny(), communicator, Recipe());
      const int rows = kBatch / ranks, begin = communicator.rank() * rows;
      for (int step = 0; step < 6; ++step) {
        losses[static_cast<size_t>(communicator.rank())].push_back(
            trainer->Step(MakeBatch(step, begin, begin + rows))->loss.loss);
      }
    });
    for (const auto& curve : losses) EXPECT_LT(WorstDifference(curve, alone), 1e-4) << ranks << " processes";
  }
}

}  // namespace
}  // namespace diptych::train
