#include "apps/dedup_output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "support/tar_writer.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

class DedupOutputTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "dedup_output_test." + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_ + "/photos/sub");
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

TEST_F(DedupOutputTest, MovesAndMovesBack) {
  const std::string keep = Write("photos/a.jpg", "one"), copy = Write("photos/b.jpg", "one");
  const std::string other = Write("photos/sub/b.jpg", "two"), changed = Write("photos/c.jpg", "changed since");
  DedupResult result;
  result.rows = {{.path = keep, .keep = true, .tier = "exact"},
                 {.path = copy, .tier = "exact"},
                 {.path = changed, .tier = "exact"},
                 {.path = other, .tier = "semantic"},
                 {.path = folder_ + "/x.tar/in.jpg", .tier = "near"}};
  std::vector<std::string> skipped;
  const SkipSink skip = [&](const std::string& path, const Status&) { skipped.push_back(path); };
  const std::string aside = folder_ + "/aside";
  EXPECT_EQ(*MoveDuplicates(result, aside, skip), 2);
  EXPECT_EQ(skipped, std::vector<std::string>{changed});  // no longer the same bytes: it stays
  EXPECT_TRUE(fs::exists(keep));
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_EQ(*ReadFile(aside + "/b.jpg"), "one");
  EXPECT_EQ(*ReadFile(aside + "/b.1.jpg"), "two");  // of the same name
  EXPECT_EQ(MoveDuplicates(result, aside, skip).status().code(), StatusCode::kInvalidArgument);

  Write("photos/b.jpg", "new");  // something took its place
  skipped.clear();
  EXPECT_EQ(*UndoMoves(aside + "/undo.jsonl", skip), 1);
  EXPECT_EQ(skipped, std::vector<std::string>{copy});
  EXPECT_EQ(*ReadFile(copy), "new");
  EXPECT_EQ(*ReadFile(other), "two");
  EXPECT_EQ(*UndoMoves(aside + "/undo.jsonl", skip), 0);  // once more does no harm
}

TEST_F(DedupOutputTest, RefusesUndoFilesThatAreNone) {
  for (const char* text :
       {"no json", "[]", "{\"from\":1,\"to\":\"b\"}", "{\"from\":\"a\"}", "{\"from\":\"\",\"to\":\"\"}"}) {
    EXPECT_FALSE(UndoMoves(Write("undo.jsonl", text), nullptr).ok()) << text;
  }
}

TEST_F(DedupOutputTest, ShardsKeepWholeSamples) {
  const std::string archive =
      Write("a.tar", TarFile("d/0.jpg", "zero") + TarFile("d/0.txt", "0") + TarFile("d/1.jpg", "one") +
                         TarFile("d/1.json", "{}") + TarFile("d/1x.jpg", "other key") + kTarEnd);
  ASSERT_TRUE(FilterShard(archive, {archive + "/d/1.jpg", "/elsewhere/d/0.jpg"}, folder_ + "/out.tar").ok());
  EXPECT_EQ(*ReadFile(folder_ + "/out.tar"),
            TarFile("d/0.jpg", "zero") + TarFile("d/0.txt", "0") + TarFile("d/1x.jpg", "other key") + kTarEnd);
  EXPECT_FALSE(FilterShard(Write("b.tar", "no tar"), {}, folder_ + "/out2.tar").ok());
  EXPECT_FALSE(fs::exists(folder_ + "/out2.tar"));
}

}  // namespace
}  // namespace diptych
