#include "apps/folder_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace diptych {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class FolderWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "sub");
    watch_ = std::move(*FolderWatch::Open({folder_.string()}));
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void Write(const fs::path& path) { std::ofstream(path) << "x"; }
  // Everything that happened is told at once: the next call finds nothing.
  bool Changed() {
    const bool changed = *watch_->Wait(milliseconds(50));
    while (changed && *watch_->Wait(milliseconds(50))) {
    }
    return changed;
  }

  fs::path folder_ = testing::TempDir() + "folder_watch_test." + std::to_string(::getpid());
  std::unique_ptr<FolderWatch> watch_;
};

TEST_F(FolderWatchTest, TellsOfPicturesAlone) {
  EXPECT_FALSE(Changed());
  Write(folder_ / "a.jpg");
  EXPECT_TRUE(Changed());
  EXPECT_FALSE(Changed());
  Write(folder_ / "notes.md");
  Write(folder_ / ".hidden.jpg");
  EXPECT_FALSE(Changed());
  fs::rename(folder_ / "a.jpg", folder_ / "sub/b.jpg");
  EXPECT_TRUE(Changed());
  fs::create_hard_link(folder_ / "sub/b.jpg", folder_ / "c.jpg");
  EXPECT_TRUE(Changed());
  fs::create_symlink(folder_ / "c.jpg", folder_ / "d.jpg");
  EXPECT_TRUE(Changed());
  fs::remove(folder_ / "sub/b.jpg");
  EXPECT_TRUE(Changed());
}

TEST_F(FolderWatchTest, AFileIsToldOfWhenItIsWritten) {
  std::ofstream file(folder_ / "slow.jpg");
  file << "half" << std::flush;
  EXPECT_FALSE(Changed());
  file.close();
  EXPECT_TRUE(Changed());
}

TEST_F(FolderWatchTest, FoldersThatComeAreWatched) {
  fs::create_directories(folder_ / "new/deep");
  EXPECT_TRUE(Changed());
  Write(folder_ / "new/deep/a.png");
  EXPECT_TRUE(Changed());
  fs::rename(folder_ / "new", folder_ / "sub/moved");
  EXPECT_TRUE(Changed());
  Write(folder_ / "sub/moved/deep/b.png");
  EXPECT_TRUE(Changed());
  fs::remove_all(folder_ / "sub");
  EXPECT_TRUE(Changed());
}

TEST_F(FolderWatchTest, TheFolderItselfGoesAndComesBack) {
  fs::remove_all(folder_);
  EXPECT_TRUE(Changed());
  EXPECT_FALSE(Changed());
  fs::create_directories(folder_);
  EXPECT_TRUE(Changed());
  Write(folder_ / "a.jpg");
  EXPECT_TRUE(Changed());
}

TEST_F(FolderWatchTest, WaitsNoLongerThanItMust) {
  std::thread writer([this] {
    std::this_thread::sleep_for(milliseconds(100));
    Write(folder_ / "a.jpg");
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(*watch_->Wait(milliseconds(60000)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  writer.join();
}

TEST(FolderWatch, RefusesWhatIsNoFolder) {
  EXPECT_EQ(FolderWatch::Open({"/dev/null"}).status().code(), StatusCode::kIoError);
  EXPECT_EQ(FolderWatch::Open({"/nowhere/at/all"}).status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace diptych
