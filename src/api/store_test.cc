#include "diptych/store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "diptych/dedup.h"
#include "diptych/model.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

const std::string kSource = DIPTYCH_SOURCE_DIR;
const std::string kCat = kSource + "/examples/cat.png";

class ApiStore : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    store_ = folder_ + "/store";
    fs::create_directory(folder_ + "/photos");
    for (const char* name : {"/photos/one.png", "/photos/two.png"}) fs::copy_file(kCat, folder_ + name);
    fs::copy_file(kSource + "/examples/coffee.jpg", folder_ + "/photos/coffee.jpg");
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<IndexSummary> Index(Watch* watch = nullptr) const {
    return model_.Index({.inputs = {folder_ + "/photos"}}, {.store = store_}, watch);
  }

  std::string folder_ = (fs::temp_directory_path() / "diptych_api_store_XXXXXX").string();
  std::string store_;
  const Model model_ = *Model::Load({.model = kSource + "/models/starter", .threads = 1});
};

TEST_F(ApiStore, IndexSearchDedup) {
  Watch watch;
  const Result<IndexSummary> first = Index(&watch);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(first->counts.added, 3);
  EXPECT_EQ(first->pictures, 3);
  EXPECT_EQ(watch.done, 3);
  EXPECT_EQ(Index()->counts.unchanged, 3);

  const Result<SearchAnswer> found = model_.Search({.texts = {"a cup of coffee"}, .store = store_, .top = 1});
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->hits.at(0).path, folder_ + "/photos/coffee.jpg");

  const Result<DedupAnswer> groups = Dedup({.store = store_, .apply = true, .move_to = folder_ + "/aside"});
  ASSERT_TRUE(groups.ok()) << groups.status().ToString();
  EXPECT_EQ(groups->counts.exact, 1);
  EXPECT_EQ(groups->moved, 1);
  EXPECT_EQ(Dedup({.undo = folder_ + "/aside/undo.jsonl"})->moved, 1);
}

TEST_F(ApiStore, Care) {
  ASSERT_TRUE(Index().ok());
  EXPECT_EQ(VerifyStore(store_)->size(), 0u);
  const StoreRows rows = *ReadStore(store_);
  ASSERT_EQ(rows.paths.size(), 3u);
  EXPECT_EQ(static_cast<int64_t>(rows.embeddings.size()), 3 * rows.embed_dim);

  const std::string merged = folder_ + "/merged";
  EXPECT_EQ(MergeStores(merged, {store_})->changed, 3);
  ASSERT_TRUE(ExportStore(merged, folder_ + "/out").ok());
  EXPECT_EQ(model_.ImportArrays(folder_ + "/imported", {folder_ + "/out/img_emb/img_emb_0.npy"})->pictures, 3);

  fs::remove(folder_ + "/photos/two.png");
  EXPECT_EQ(Index()->counts.removed, 1);
  EXPECT_EQ(CompactStore(store_)->changed, 1);
  EXPECT_EQ(DescribeStore(store_)->vectors, 2);
}

TEST_F(ApiStore, AWatchThatStopsForgetsNothing) {
  ASSERT_TRUE(Index().ok());
  fs::remove(folder_ + "/photos/two.png");
  Watch watch;
  watch.stop = true;
  EXPECT_EQ(Index(&watch).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(DescribeStore(store_)->pictures, 3);
}

TEST_F(ApiStore, Errors) {
  EXPECT_EQ(Dedup({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(model_.Search({.texts = {"a cat"}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(model_.Search({.texts = {"a cat"}, .store = folder_ + "/none"}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(DescribeStore(folder_ + "/none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MergeStores(folder_ + "/into", {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace diptych
