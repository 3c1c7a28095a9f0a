#include "apps/label_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "apps/classify.h"
#include "core/file.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

class LabelCache : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/label_cache_XXXXXX";  // its own: tests run beside each other
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    ASSERT_EQ(setenv("XDG_CACHE_HOME", folder_.c_str(), 1), 0);
    clip_ = std::move(*Clip::Load(DIPTYCH_SOURCE_DIR "/models/starter"));
    options_.labels = {"cat", "dog"};
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    fs::remove_all(folder_);
  }

  Classifier Prepare() { return *PrepareClassifier(*clip_, options_, Runtime{}); }
  size_t Files() const {
    const fs::path labels = folder_ + "/diptych/labels";
    if (!fs::exists(labels)) return 0;
    return static_cast<size_t>(std::distance(fs::directory_iterator(labels), fs::directory_iterator()));
  }

  std::string folder_;
  std::unique_ptr<Clip> clip_;
  ClassifyOptions options_;
};

TEST_F(LabelCache, TheSecondTimeNoTextTowerRuns) {
  EXPECT_TRUE(NeedsTextTower(options_));
  const Classifier first = Prepare();
  EXPECT_EQ(Files(), 1u);
  EXPECT_FALSE(NeedsTextTower(options_));
  // What is in the file is what comes back: a mark in one value shows.
  Classifier marked = first;
  marked.embeddings[0] = 0.5f;
  CacheClassifier(*clip_, marked);
  EXPECT_EQ(Prepare().embeddings, marked.embeddings);
  EXPECT_EQ(Files(), 1u);
}

TEST_F(LabelCache, OtherLabelsTemplatesAndPrecisionsAreOthers) {
  (void)Prepare();
  options_.labels = {"dog", "cat"};
  EXPECT_TRUE(NeedsTextTower(options_));
  (void)Prepare();
  options_.templates = {"a drawing of a {}"};
  EXPECT_TRUE(NeedsTextTower(options_));
  (void)Prepare();
  EXPECT_EQ(Files(), 3u);
  LoadOptions load;
  load.precision = Precision::kInt8;
  clip_ = std::move(*Clip::Load(DIPTYCH_SOURCE_DIR "/models/starter", load));
  (void)Prepare();
  EXPECT_EQ(Files(), 4u);
}

TEST_F(LabelCache, ABrokenFileIsNone) {
  const Classifier first = Prepare();
  for (const auto& entry : fs::directory_iterator(folder_ + "/diptych/labels")) {
    ASSERT_TRUE(WriteFileAtomically(entry.path().string(), "broken").ok());
  }
  EXPECT_EQ(Prepare().embeddings, first.embeddings);
}

TEST_F(LabelCache, IsOffWhereTheEnvironmentSaysSo) {
  ASSERT_EQ(setenv("DIPTYCH_NO_CACHE", "1", 1), 0);
  (void)Prepare();
  EXPECT_EQ(Files(), 0u);
  EXPECT_TRUE(NeedsTextTower(options_));
  unsetenv("DIPTYCH_NO_CACHE");
}

}  // namespace
}  // namespace diptych
