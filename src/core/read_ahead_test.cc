#include "core/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"

namespace diptych {
namespace {

size_t PageSize() {
  return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

int64_t PagesInMemory(ByteSpan mapped) {
  std::vector<unsigned char> pages((mapped.size() + PageSize() - 1) / PageSize());
  EXPECT_EQ(::mincore(const_cast<uint8_t*>(mapped.data()), mapped.size(), pages.data()), 0);
  return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

// A file of `bytes` that is on the disk alone. False where the system keeps it in memory nevertheless (tmpfs).
bool WriteCold(const std::string& path, size_t bytes) {
  EXPECT_TRUE(WriteFileAtomically(path, std::string(bytes, 'x')).ok());
  const int fd = ::open(path.c_str(), O_RDONLY);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  return PagesInMemory((*MappedFile::Open(path))->bytes()) == 0;
}

// What was asked for is read in its own time.
bool ComesIntoMemory(ByteSpan bytes) {
  const auto pages = static_cast<int64_t>((bytes.size() + PageSize() - 1) / PageSize());
  for (int i = 0; i < 1000 && PagesInMemory(bytes) < pages; ++i) ::usleep(10'000);
  return PagesInMemory(bytes) == pages;
}

class ReadAhead : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "diptych_read_ahead_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

TEST_F(ReadAhead, PagesComeThatWereAskedFor) {
  if (!WriteCold(Path("a"), 3'000'000)) GTEST_SKIP() << "files do not leave the memory here";
  const auto mapped = *MappedFile::Open(Path("a"));
  const std::string elsewhere = "no mapping";
  AskForMappedPages(elsewhere.data(), elsewhere.size());
  AskForMappedPages(mapped->bytes().data(), 0);
  EXPECT_EQ(PagesInMemory(mapped->bytes()), 0);
  AskForMappedPages(mapped->bytes().data() + 5, mapped->bytes().size() - 5);
  EXPECT_TRUE(ComesIntoMemory(mapped->bytes()));
}

TEST_F(ReadAhead, AFileIsReadUntilStopped) {
  if (!WriteCold(Path("a"), 3'000'000)) GTEST_SKIP() << "files do not leave the memory here";
  const auto mapped = *MappedFile::Open(Path("a"));
  std::stop_source stopped;
  stopped.request_stop();
  ReadAheadOf(Path("a"), stopped.get_token());
  ReadAheadOf(Path("none"), {});
  EXPECT_EQ(PagesInMemory(mapped->bytes()), 0);
  ReadAheadOf(Path("a"), {});
  EXPECT_TRUE(ComesIntoMemory(mapped->bytes()));
}

}  // namespace
}  // namespace diptych
