// Small data sets for tests of training.
#ifndef DIPTYCH_TESTS_SUPPORT_TRAIN_DATA_H_
#define DIPTYCH_TESTS_SUPPORT_TRAIN_DATA_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/rng.h"
#include "image/encode.h"
#include "support/tar_writer.h"

namespace diptych::train {

/// A folder that goes away with the test.
class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_train_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  /// Writes a file and the folders above it.
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::filesystem::remove(Path(name));  // a file that is cut to nothing first, ext4 writes to the disk at once
    std::ofstream file(Path(name), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    EXPECT_TRUE(file.good());
    return Path(name);
  }
  std::string folder_;
};

/// A PNG of noise, different for each seed.
inline std::string NoisePng(uint64_t seed, int width = 20, int height = 16) {
  Image image;
  image.width = width;
  image.height = height;
  Rng rng(seed);
  for (int i = 0; i < 3 * width * height; ++i) image.pixels.push_back(static_cast<uint8_t>(rng.NextU32()));
  return *EncodePng(image);
}

/// KEY.png and KEY.txt.
inline std::string PairInTar(const std::string& key, const std::string& picture, const std::string& caption) {
  return TarFile(key + ".png", picture) + TarFile(key + ".txt", caption);
}

/// A shard of pairs "first", "first + 1", ..., their captions "caption N".
inline std::string ShardOfPairs(int first, int count) {
  std::string tar;
  for (int i = first; i < first + count; ++i) {
    tar += PairInTar(std::to_string(i), NoisePng(static_cast<uint64_t>(i)), "caption " + std::to_string(i));
  }
  return tar + kTarEnd;
}

}  // namespace diptych::train

#endif  // DIPTYCH_TESTS_SUPPORT_TRAIN_DATA_H_
