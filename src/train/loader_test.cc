#include "train/loader.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "support/thread_communicator.h"
#include "support/train_data.h"

namespace diptych::train {
namespace {

constexpr int kSide = 8;

LoaderOptions SmallOptions(int threads = 2) {
  LoaderOptions options{.batch = 6, .threads = threads, .seed = 11, .shuffle_buffer = 10};
  options.preprocess.crop = options.preprocess.size = kSide;
  options.augment = {.flip = 0.5, .jitter = 0.5, .brightness = 0.4, .hue = 0.1, .greyscale = 0.2, .randaugment_ops = 1};
  return options;
}

// A batch that outlives the loader's.
struct Copy {
  std::vector<std::string> keys;
  std::vector<float> pixels;
  std::vector<int32_t> ids, lengths, labels;
  bool operator==(const Copy&) const = default;
};

Copy CopyOf(const TrainBatch& batch) {
  const float* pixels = batch.pixels.data<float>();
  return {batch.keys, {pixels, pixels + batch.pixels.view().NumElements()}, batch.ids, batch.lengths, batch.labels};
}

class LoaderTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    Write("s-0.tar", ShardOfPairs(0, 25));
    Write("s-1.tar", ShardOfPairs(25, 15));
    source_.paths = {Path("s-{0..1}.tar")};
  }
  std::unique_ptr<Loader> Open(const LoaderOptions& options) const {
    Result<std::unique_ptr<Loader>> loader = Loader::Open(source_, options, *tokenizer_);
    EXPECT_TRUE(loader.ok()) << loader.status().ToString();
    return loader.ok() ? std::move(*loader) : nullptr;
  }
  std::vector<Copy> Run(const LoaderOptions& options, int steps, int64_t from = 0) const {
    const auto loader = Open(options);
    if (from > 0) loader->Seek(from);
    return Steps(*loader, steps);
  }
  static std::vector<Copy> Steps(Loader& loader, int steps) {
    std::vector<Copy> batches;
    for (int i = 0; i < steps; ++i) {
      const Result<const TrainBatch*> batch = loader.Next();
      EXPECT_TRUE(batch.ok()) << batch.status().ToString();
      if (!batch.ok()) break;
      batches.push_back(CopyOf(**batch));
    }
    return batches;
  }

  DatasetOptions source_;
  std::unique_ptr<Tokenizer> tokenizer_ = MakeClipTokenizer({});
};

TEST_F(LoaderTest, AnEpochIsEverySampleOnceButTheRest) {
  const auto loader = Open(SmallOptions());
  EXPECT_EQ(loader->steps_per_epoch(), 6);  // 40 pairs, 4 are left out
  std::set<std::string> keys;
  for (const Copy& batch : Steps(*loader, 6)) {
    EXPECT_EQ(batch.keys.size(), 6u);
    EXPECT_EQ(batch.pixels.size(), 6u * 3 * kSide * kSide);
    keys.insert(batch.keys.begin(), batch.keys.end());
  }
  EXPECT_EQ(keys.size(), 36u);
  EXPECT_EQ(loader->step(), 6);
  EXPECT_EQ(loader->skipped().total(), 0);
}

TEST_F(LoaderTest, RowsHoldTheSampleOfTheirKey) {
  LoaderOptions options = SmallOptions();
  options.augment = {.min_scale = 1, .max_scale = 1, .min_ratio = 1.25, .max_ratio = 1.25};  // all of 20 x 16
  for (const Copy& batch : Run(options, 7)) {
    const int32_t* ids = batch.ids.data();
    for (size_t row = 0; row < batch.keys.size(); ++row) {
      const int number = std::stoi(batch.keys[row].substr(batch.keys[row].find('/') + 1));
      const std::vector<int32_t> expected = tokenizer_->Encode("caption " + std::to_string(number));
      EXPECT_EQ(std::vector<int32_t>(ids, ids + batch.lengths[row]), expected);
      ids += batch.lengths[row];
      const std::string png = NoisePng(static_cast<uint64_t>(number));
      const auto image = DecodeImage({reinterpret_cast<const uint8_t*>(png.data()), png.size()}, {}, "");
      std::vector<float> pixels(3 * kSide * kSide);
      Normalize(Resize(*image, kSide, kSide, kernels::Filter::kBicubic), options.preprocess, pixels.data());
      EXPECT_EQ(std::memcmp(pixels.data(), &batch.pixels[row * pixels.size()], pixels.size() * sizeof(float)), 0);
    }
    EXPECT_EQ(ids, batch.ids.data() + batch.ids.size());
  }
}

TEST_F(LoaderTest, TheSameAtAnyNumberOfThreads) {
  const std::vector<Copy> one = Run(SmallOptions(1), 15);
  EXPECT_EQ(one, Run(SmallOptions(2), 15));
  EXPECT_EQ(one, Run(SmallOptions(5), 15));
  LoaderOptions other = SmallOptions(1);
  other.seed = 12;
  EXPECT_NE(one[0].keys, Run(other, 1)[0].keys);
}

TEST_F(LoaderTest, EpochsDifferInOrderAndViews) {
  LoaderOptions options = SmallOptions();
  EXPECT_NE(Run(options, 1)[0].keys, Run(options, 1, 6)[0].keys);
  options.shuffle_buffer = 0;
  const std::vector<Copy> batches = Run(options, 7);
  EXPECT_EQ(batches[0].keys[0], "s-0.tar/0");
  EXPECT_EQ(batches[0].keys, batches[6].keys);
  EXPECT_NE(batches[0].pixels, batches[6].pixels);
}

TEST_F(LoaderTest, SeekEqualsAnUninterruptedRun) {
  const std::vector<Copy> whole = Run(SmallOptions(), 20);
  for (const int64_t step : {1, 5, 6, 13}) {
    const std::vector<Copy> resumed = Run(SmallOptions(3), static_cast<int>(20 - step), step);
    EXPECT_EQ(resumed, std::vector<Copy>(whole.begin() + step, whole.end())) << step;
  }
  const auto loader = Open(SmallOptions());
  Steps(*loader, 3);
  loader->Seek(1);
  EXPECT_EQ(loader->step(), 1);
  EXPECT_EQ(Steps(*loader, 1)[0], whole[1]);
}

TEST_F(LoaderTest, RanksShareTheBatchesOfOneProcess) {
  const std::vector<Copy> whole = Run(SmallOptions(), 8);
  for (const int ranks : {2, 3}) {
    std::vector<std::vector<Copy>> parts;
    for (int rank = 0; rank < ranks; ++rank) {
      LoaderOptions options = SmallOptions();
      options.rank = rank;
      options.ranks = ranks;
      parts.push_back(Run(options, 8));
    }
    for (size_t step = 0; step < 8; ++step) {
      Copy joined;
      for (const auto& part : parts) {
        const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
        append(joined.keys, part[step].keys);
        append(joined.pixels, part[step].pixels);
        append(joined.ids, part[step].ids);
        append(joined.lengths, part[step].lengths);
        append(joined.labels, part[step].labels);
      }
      EXPECT_EQ(joined, whole[step]) << step;
    }
  }
}

// Damage of three kinds. Batches stay whole, other rows stay where they were, and so does the rest of the run.
TEST_F(LoaderTest, UnusableSamplesAreReplaced) {
  const std::vector<Copy> whole = Run(SmallOptions(), 12);
  std::string tar;
  for (int i = 0; i < 25; ++i) {
    const std::string picture = NoisePng(static_cast<uint64_t>(i)), caption = "caption " + std::to_string(i);
    const bool is_broken = i == 3 || i == 4, is_silent = i == 9;
    tar += PairInTar(std::to_string(i), is_broken ? picture.substr(0, 60) : picture, is_silent ? "\n" : caption);
  }
  Write("s-0.tar", tar + kTarEnd);
  const auto loader = Open(SmallOptions());
  const std::vector<Copy> damaged = Steps(*loader, 12);
  ASSERT_EQ(damaged.size(), 12u);
  const std::set<std::string> bad = {"s-0.tar/3", "s-0.tar/4", "s-0.tar/9"};
  int replaced = 0;
  for (size_t step = 0; step < 12; ++step) {
    EXPECT_EQ(std::set<std::string>(damaged[step].keys.begin(), damaged[step].keys.end()).size(), 6u);
    for (size_t row = 0; row < 6; ++row) {
      const bool was_bad = bad.count(whole[step].keys[row]) != 0;
      EXPECT_EQ(damaged[step].keys[row] != whole[step].keys[row], was_bad);
      EXPECT_EQ(bad.count(damaged[step].keys[row]), 0u);
      replaced += was_bad;
    }
  }
  EXPECT_GE(replaced, 4);
  EXPECT_EQ(loader->skipped()[SkipReason::kBrokenPicture].count, 2);  // once each, not once an epoch
  EXPECT_EQ(loader->skipped()[SkipReason::kNoCaption].names, std::vector<std::string>{"s-0.tar/9"});
  EXPECT_EQ(damaged, Run(SmallOptions(5), 12));
  EXPECT_EQ(Run(SmallOptions(), 5, 7), std::vector<Copy>(damaged.begin() + 7, damaged.end()));
}

TEST_F(LoaderTest, AJobCountsEachSkippedSampleOnce) {
  std::string tar;
  for (int i = 0; i < 24; ++i) {
    tar += PairInTar(std::to_string(i), i % 4 == 0 ? "no picture" : NoisePng(static_cast<uint64_t>(i)), "caption");
  }
  source_.paths = {Write("bad.tar", tar + TarFile("mute.png", "x") + kTarEnd)};
  testing_support::RunRanks(2, [&](Communicator& communicator) {
    LoaderOptions options = SmallOptions();
    options.rank = communicator.rank();
    options.ranks = 2;
    const auto loader = Open(options);
    Steps(*loader, 20);  // five epochs: either process has met most of them
    const SkipCounts all = loader->SkippedInJob(communicator);
    EXPECT_EQ(all[SkipReason::kBrokenPicture].count, 6);
    EXPECT_EQ(all[SkipReason::kBrokenPicture].names.size(), SkipCounts::kMaxNames);
    EXPECT_EQ(all[SkipReason::kNoCaption].count, 1);
  });
}

TEST_F(LoaderTest, NothingUsableIsAnError) {
  std::string tar;
  for (int i = 0; i < 8; ++i) tar += PairInTar(std::to_string(i), "no picture", "caption");
  source_.paths = {Write("bad.tar", tar + kTarEnd)};
  const auto loader = Open(SmallOptions());
  const Result<const TrainBatch*> batch = loader->Next();
  ASSERT_FALSE(batch.ok());
  EXPECT_NE(batch.status().ToString().find("samples in a row could not be used; the last one: bad.tar/"),
            std::string::npos);
  EXPECT_EQ(loader->skipped()[SkipReason::kBrokenPicture].count, 8);
}

TEST_F(LoaderTest, OneOfSeveralCaptionsIsDrawn) {
  Write("f/a.png", NoisePng(1));
  Write("f/a.txt", "one\ntwo\nthree\n");
  source_.paths = {Path("f")};
  LoaderOptions options = SmallOptions();
  options.batch = 1;
  std::map<std::vector<int32_t>, int> counts;
  for (const Copy& batch : Run(options, 60)) ++counts[batch.ids];
  EXPECT_EQ(counts.size(), 3u);
  for (const auto& [ids, count] : counts) EXPECT_GE(count, 8);
}

TEST_F(LoaderTest, LongTextsAreCutAndTextsArePaddedOnDemand) {
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "word ";
  source_.paths = {
      Write("long.tar", PairInTar("a", NoisePng(1), longest) + PairInTar("b", NoisePng(2), "b") + kTarEnd)};
  LoaderOptions options = SmallOptions();
  options.batch = 2;
  options.shuffle_buffer = 0;
  const Copy packed = Run(options, 1)[0];
  EXPECT_EQ(packed.lengths, (std::vector<int32_t>{77, 3}));
  EXPECT_EQ(packed.ids.size(), 80u);
  options.pad_to_context = true;
  const Copy padded = Run(options, 1)[0];
  EXPECT_EQ(padded.lengths, (std::vector<int32_t>{77, 77}));
  EXPECT_EQ(padded.ids[77 + 2], packed.ids[77 + 2]);
  EXPECT_EQ(padded.ids.back(), tokenizer_->pad_id());
}

TEST_F(LoaderTest, ClassFoldersGiveLabels) {
  for (int i = 0; i < 4; ++i)
    Write("c/" + std::string(i % 2 == 0 ? "cat/" : "dog/") + std::to_string(i) + ".png", NoisePng(i));
  source_.paths = {Path("c")};
  LoaderOptions options = SmallOptions();
  options.batch = 4;
  const Copy batch = Run(options, 1)[0];
  for (size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(batch.labels[row], batch.keys[row].find("/dog/") == std::string::npos ? 0 : 1);
  }
  EXPECT_EQ(Open(options)->dataset().classes()[1].name, "dog");
}

TEST_F(LoaderTest, OptionsThatMakeNoSense) {
  const auto error = [&](LoaderOptions options) {
    const auto loader = Loader::Open(source_, options, *tokenizer_);
    return loader.ok() ? "no error" : loader.status().ToString();
  };
  LoaderOptions options = SmallOptions();
  options.batch = 41;
  EXPECT_EQ(error(options),
            "a batch of 41 pairs is larger than the data set, which has 40; use a smaller batch or more data");
  options.batch = 40;
  options.ranks = 3;
  EXPECT_EQ(error(options), "a batch of 40 pairs cannot be shared equally by 3 processes");
  options.batch = 0;
  EXPECT_EQ(error(options), "a batch of 0 pairs");
  options = SmallOptions();
  options.augment.flip = 2;
  EXPECT_NE(error(options).find("mirror"), std::string::npos);
}

TEST_F(LoaderTest, TheRealShardsResume) {
  const std::string folder = std::string(DIPTYCH_SOURCE_DIR) + "/../shared/data/train";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  source_.paths = {folder + "/free-{000000..000001}.tar"};
  LoaderOptions options = SmallOptions();
  options.batch = 64;
  options.shuffle_buffer = 5000;
  const std::vector<Copy> whole = Run(options, 6, 176);
  EXPECT_EQ(std::vector<Copy>(whole.begin() + 3, whole.end()), Run(options, 3, 179));  // 179 steps an epoch
  EXPECT_EQ(Open(options)->steps_per_epoch(), 179);
}

}  // namespace
}  // namespace diptych::train
