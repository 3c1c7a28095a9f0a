#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace diptych {
namespace {

namespace fs = std::filesystem;

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_file_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
};

std::string Text(ByteSpan bytes) {
  return std::string(bytes.begin(), bytes.end());
}

TEST_F(File, WrittenIsRead) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), std::string_view("one\0two", 7)).ok());
  EXPECT_EQ(*ReadFile(Path("a")), std::string("one\0two", 7));
  const auto mapped = MappedFile::Open(Path("a"));
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(Text((*mapped)->bytes()), std::string("one\0two", 7));
  EXPECT_EQ((*mapped)->path(), Path("a"));
  const std::string_view pieces[] = {"a", "", "bc"};
  ASSERT_TRUE(WriteFileAtomically(Path("a"), pieces).ok());
  EXPECT_EQ(*ReadFile(Path("a")), "abc");
  EXPECT_EQ(Text((*mapped)->bytes()), std::string("one\0two", 7));  // the mapped file is the old one still
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(File, EmptyIsReadAndMapped) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  EXPECT_EQ(*ReadFile(Path("a")), "");
  EXPECT_TRUE((*MappedFile::Open(Path("a")))->bytes().empty());
}

TEST_F(File, WhatIsNoFileIsRefused) {
  EXPECT_EQ(ReadFile(Path("none")).status().ToString(), Path("none") + ": no such file");
  EXPECT_EQ(MappedFile::Open(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(folder_).status().ToString(), folder_ + ": is a folder, not a file");
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(Path("pipe")).status().ToString(), Path("pipe") + ": is not a regular file");
  EXPECT_EQ(MappedFile::Open("/dev/zero").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(File, RangesAreRead) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "0123456789").ok());
  EXPECT_EQ(*ReadFileRange(Path("a"), 3, 4), "3456");
  EXPECT_EQ(*ReadFileRange(Path("a"), 0, 10), "0123456789");
  EXPECT_EQ(*ReadFileRange(Path("a"), 10, 0), "");
  for (const auto& [offset, size] : {std::pair<uint64_t, size_t>{3, 8}, {11, 0}, {~uint64_t{0}, 2}, {2, ~size_t{0}}}) {
    EXPECT_EQ(ReadFileRange(Path("a"), offset, size).status().code(), StatusCode::kCorrupt) << offset << " " << size;
  }
  EXPECT_EQ(ReadFileRange(Path("b"), 0, 1).status().code(), StatusCode::kNotFound);
}

TEST_F(File, ReadingHasALimit) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "12345").ok());
  EXPECT_EQ(*ReadFile(Path("a"), 5), "12345");
  EXPECT_EQ(ReadFile(Path("a"), 4).status().ToString(), Path("a") + ": has 5 bytes, the limit is 4");
}

TEST_F(File, ReleasedPagesComeBack) {
  const std::string text(1 << 20, 'x');
  ASSERT_TRUE(WriteFileAtomically(Path("a"), text).ok());
  const auto mapped = *MappedFile::Open(Path("a"));
  ReleaseMappedPages(mapped->bytes().data() + 5, 100'000);
  ReleaseMappedPages(mapped->bytes().data() + 5, 3);  // no whole page
  EXPECT_EQ(Text(mapped->bytes()), text);
}

TEST_F(File, OnlyPagesOfFilesAreReleased) {
  const std::string text(1 << 20, 'x');
  const std::string copy = text;
  ASSERT_TRUE(WriteFileAtomically(Path("a"), text).ok());
  const auto mapped = *MappedFile::Open(Path("a"));
  ReleaseMappedPages(copy.data(), copy.size());
  EXPECT_EQ(copy, text);
}

TEST_F(File, WritingFollowsALinkAndKeepsIt) {
  ASSERT_TRUE(WriteFileAtomically(Path("real"), "old").ok());
  fs::create_symlink("real", Path("link"));
  ASSERT_TRUE(WriteFileAtomically(Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(*ReadFile(Path("real")), "new");
}

TEST_F(File, ADeviceIsWrittenToAndStaysOne) {
  ASSERT_TRUE(WriteFileAtomically("/dev/null", "gone").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(File, ANewFileHasTheUsualPermissions) {
  const mode_t mask = ::umask(0027);
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "x").ok());
  ::umask(mask);
  struct stat info;
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(File, AFailedWriteLeavesNothing) {
  EXPECT_EQ(WriteFileAtomically(Path("none/a"), "x").ToString(),
            Path("none/a") + ": cannot be written: No such file or directory");
  EXPECT_EQ(WriteFileAtomically(folder_, "x").ToString(), folder_ + ": is a folder, not a file");
  ASSERT_TRUE(WriteFileAtomically(Path("full"), "x").ok());
  EXPECT_NE(WriteFileAtomically("/dev/full", "x").ToString().find("No space left"), std::string::npos);
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST(ProgramFolder, IsWhereThisTestLies) {
  EXPECT_EQ(ProgramFolder(), fs::read_symlink("/proc/self/exe").parent_path().string());
}

}  // namespace
}  // namespace diptych
