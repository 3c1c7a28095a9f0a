#include "train/eval_set.h"

#include <cstring>

#include "support/train_data.h"

namespace diptych::train {
namespace {

EvalOptions SmallOptions() {
  EvalOptions options{.batch = 4, .threads = 2};
  options.preprocess.size = options.preprocess.crop = 8;
  return options;
}

class EvalSetTest : public FolderTest {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = MakeClipTokenizer({});
};

TEST_F(EvalSetTest, PicturesInOrderWithAllTheirCaptions) {
  std::string tar;
  for (int i = 0; i < 10; ++i) {
    const std::string second = i % 3 == 0 ? "\nagain " + std::to_string(i) : "";
    const std::string picture = i == 5 ? "broken" : NoisePng(static_cast<uint64_t>(i));
    tar += PairInTar(std::to_string(i), picture, "text " + std::to_string(i) + second);
  }
  const EvalOptions options = SmallOptions();
  const auto set = EvalSet::Open({.paths = {Write("s.tar", tar + kTarEnd)}}, options, tokenizer_.get());
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<std::string> keys;
    while (const EvalBatch* batch = (*set)->Next()) {
      ASSERT_EQ(batch->pixels.shape(), (Shape{static_cast<int64_t>(batch->keys.size()), 3, 8, 8}));
      size_t caption = 0;
      const int32_t* ids = batch->ids.data();
      const auto expect_caption = [&](const std::string& text, size_t picture) {
        ASSERT_LT(caption, batch->lengths.size());
        EXPECT_EQ(std::vector<int32_t>(ids, ids + batch->lengths[caption]), tokenizer_->Encode(text));
        ids += batch->lengths[caption];
        EXPECT_EQ(batch->pictures[caption++], static_cast<int32_t>(picture));
      };
      for (size_t i = 0; i < batch->keys.size(); ++i) {
        keys.push_back(batch->keys[i]);
        const int number = std::stoi(batch->keys[i].substr(6));
        expect_caption("text " + std::to_string(number), i);
        if (number % 3 == 0) expect_caption("again " + std::to_string(number), i);
        const std::string png = NoisePng(static_cast<uint64_t>(number));
        const auto image = DecodeImage({reinterpret_cast<const uint8_t*>(png.data()), png.size()}, {}, "");
        std::vector<float> pixels(3 * 8 * 8);
        Preprocess(*image, options.preprocess, pixels.data());
        EXPECT_EQ(std::memcmp(pixels.data(), batch->pixels.data<float>() + i * 192, 192 * sizeof(float)), 0);
      }
      EXPECT_EQ(caption, batch->lengths.size());
    }
    EXPECT_EQ(keys.size(), 9u);
    EXPECT_EQ(keys.front(), "s.tar/0");
    EXPECT_EQ(keys.back(), "s.tar/9");
    EXPECT_EQ((*set)->Next(), nullptr);
    EXPECT_EQ((*set)->skipped()[SkipReason::kBrokenPicture].count, 1);
    (*set)->Rewind();
  }
}

TEST_F(EvalSetTest, LabelledSets) {
  Write("x.classes.tsv", "label\tid\tname\tphrase\n0\ta\tcat\ta cat\n1\tb\tox\tan ox\n");
  std::string tar;
  for (int i = 0; i < 6; ++i) {
    tar += TarFile(std::to_string(i) + ".png", NoisePng(static_cast<uint64_t>(i)));
    tar += i == 2 ? TarFile("2.txt", "no class") : TarFile(std::to_string(i) + ".cls", std::to_string(i % 2));
  }
  const auto set = OpenLabelledSet(Write("x-test-000000.tar", tar + kTarEnd), SmallOptions());
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  EXPECT_EQ((*set)->dataset().classes()[1].phrase, "an ox");
  const EvalBatch* batch = (*set)->Next();
  EXPECT_EQ(batch->labels, (std::vector<int32_t>{0, 1, 1}));
  EXPECT_TRUE(batch->ids.empty());
  EXPECT_EQ((*set)->Next()->labels, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ((*set)->skipped()[SkipReason::kNoClass].names, std::vector<std::string>{"x-test-000000.tar/2"});

  const auto without = OpenLabelledSet(Write("y.tar", ShardOfPairs(0, 2)), SmallOptions());
  EXPECT_NE(without.status().ToString().find("has no classes"), std::string::npos);
}

TEST_F(EvalSetTest, TextsArePaddedOnDemand) {
  EvalOptions options = SmallOptions();
  options.pad_to_context = true;
  const auto set = EvalSet::Open({.paths = {Write("s.tar", ShardOfPairs(0, 3))}}, options, tokenizer_.get());
  EXPECT_EQ((*set)->Next()->lengths, (std::vector<int32_t>{77, 77, 77}));
}

TEST_F(EvalSetTest, TheRealSets) {
  const std::string folder = std::string(DIPTYCH_SOURCE_DIR) + "/../shared/data/val";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  struct Case {
    const char* shard;
    int64_t size;
    size_t classes;
  };
  EvalOptions options = SmallOptions();
  options.batch = 100;
  for (const Case& one : {Case{"clothing-test", 372, 10}, {"flowers-val", 300, 5}, {"cifar10-test", 2000, 10}}) {
    const auto set = OpenLabelledSet(folder + "/" + one.shard + "-000000.tar", options);
    ASSERT_TRUE(set.ok()) << set.status().ToString();
    EXPECT_EQ((*set)->dataset().classes().size(), one.classes);
    int64_t pictures = 0;
    while (const EvalBatch* batch = (*set)->Next()) {
      pictures += static_cast<int64_t>(batch->keys.size());
      for (const int32_t label : batch->labels) EXPECT_TRUE(label >= 0 && label < static_cast<int32_t>(one.classes));
    }
    EXPECT_EQ(pictures, one.size);
  }
  const auto coco = EvalSet::Open({.paths = {folder + "/coco-captions-000000.tar"}}, options, tokenizer_.get());
  ASSERT_TRUE(coco.ok()) << coco.status().ToString();
  size_t pictures = 0, captions = 0;
  while (const EvalBatch* batch = (*coco)->Next()) {
    pictures += batch->keys.size();
    captions += batch->lengths.size();
  }
  EXPECT_EQ(pictures, 285u);
  EXPECT_EQ(captions, 1425u);
}

}  // namespace
}  // namespace diptych::train
