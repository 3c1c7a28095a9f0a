#include "core/tar.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/tar_writer.h"

namespace diptych {
namespace {

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Walk {
  std::vector<std::pair<std::string, std::string>> files;
  Status status;
};

Walk ReadAll(const std::string& archive) {
  Walk walk;
  TarReader reader(Bytes(archive), "a.tar");
  while (true) {
    Result<std::optional<TarEntry>> entry = reader.Next();
    walk.status = entry.status();
    if (!entry.ok() || !entry->has_value()) return walk;
    const ByteSpan data = (*entry)->data;
    walk.files.emplace_back((*entry)->name, std::string(data.begin(), data.end()));
  }
}

TEST(Tar, FilesInOrderFoldersAndLinksPassedOver) {
  const std::string folder = TarHeader("d/", TarOctal(0), '5'), link = TarHeader("l", TarOctal(0), '2');
  const Walk walk =
      ReadAll(TarFile("a", "one") + folder + link + TarFile("b", std::string(512, 'x')) + TarFile("c", "") + kTarEnd);
  ASSERT_TRUE(walk.status.ok()) << walk.status.ToString();
  ASSERT_EQ(walk.files.size(), 3u);
  EXPECT_EQ(walk.files[0], std::make_pair(std::string("a"), std::string("one")));
  EXPECT_EQ(walk.files[1].second, std::string(512, 'x'));
  EXPECT_EQ(walk.files[2].second, "");
}

TEST(Tar, LongNames) {
  const std::string longest(300, 'n');
  const std::string pax = TarFile("p", PaxRecord("mtime", "1.5") + PaxRecord("path", longest + "1"), 'x');
  const std::string gnu = TarFile("././@LongLink", longest + "2" + '\0', 'L');
  const Walk walk = ReadAll(pax + TarFile("short", "x") + gnu + TarFile("short", "y") +
                            TarFile("name", "z", '0', "pre/fix") + kTarEnd);
  ASSERT_TRUE(walk.status.ok()) << walk.status.ToString();
  ASSERT_EQ(walk.files.size(), 3u);
  EXPECT_EQ(walk.files[0].first, longest + "1");
  EXPECT_EQ(walk.files[1].first, longest + "2");
  EXPECT_EQ(walk.files[2].first, "pre/fix/name");
}

TEST(Tar, BetweenPositionsLieWholeEntries) {
  const std::string longest(300, 'n');
  const std::string a = TarFile("p", PaxRecord("path", longest), 'x') + TarFile("short", "x");
  const std::string archive = a + TarHeader("d/", TarOctal(0), '5') + TarFile("b", std::string(700, 'y')) + kTarEnd;
  TarReader reader(Bytes(archive), "a.tar");
  EXPECT_EQ(reader.position(), 0u);
  ASSERT_TRUE(reader.Next().ok());
  EXPECT_EQ(reader.position(), a.size());
  ASSERT_TRUE(reader.Next().ok());
  const Walk walk = ReadAll(archive.substr(a.size(), reader.position() - a.size()));
  ASSERT_EQ(walk.files.size(), 1u) << walk.status.ToString();
  EXPECT_EQ(walk.files[0].first, "b");
}

TEST(Tar, PaxSizeStandsForTheHeaders) {
  const std::string data(600, 'd');
  const Walk walk = ReadAll(TarFile("p", PaxRecord("size", "600"), 'x') + TarHeader("a", TarOctal(0)) + data +
                            std::string(424, '\0') + kTarEnd);
  ASSERT_EQ(walk.files.size(), 1u) << walk.status.ToString();
  EXPECT_EQ(walk.files[0].second, data);
}

TEST(Tar, EndsAtABordersEndWithoutZeros) {
  EXPECT_TRUE(ReadAll(TarFile("a", "x")).status.ok());
  EXPECT_TRUE(ReadAll("").status.ok());
}

TEST(Tar, DamageIsNamed) {
  const std::string good = TarFile("a", "one");
  std::string flipped = good + TarFile("b", "two") + kTarEnd;
  flipped[1024 + 3] ^= 1;
  const Walk walk = ReadAll(flipped);
  EXPECT_EQ(walk.files.size(), 1u);
  EXPECT_EQ(walk.status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(walk.status.where(), "a.tar at byte 1024");

  EXPECT_EQ(ReadAll(good + "half a header").status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(TarHeader("a", TarOctal(5000)) + "x").status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(TarHeader("a", "9x")).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(std::string(600, 'q')).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(TarHeader("a", TarOctal(0), 'S')).status.code(), StatusCode::kUnsupported);
}

TEST(Tar, SizesThatOverflowAreRefused) {
  std::string huge(12, '\xff');
  EXPECT_EQ(ReadAll(TarHeader("a", huge)).status.code(), StatusCode::kCorrupt);
  huge = std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(ReadAll(TarHeader("a", huge)).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(TarFile("p", PaxRecord("size", std::string(30, '9')), 'x')).status.code(), StatusCode::kCorrupt);
}

TEST(Tar, MalformedPaxHeadersAreRefused) {
  for (const char* record : {"5", "x path=a\n", "999 path=a\n", "3 a\n", "9 path=a\r\r", "0 =\n", " path=a\n"}) {
    EXPECT_EQ(ReadAll(TarFile("p", record, 'x') + TarFile("a", "") + kTarEnd).status.code(), StatusCode::kCorrupt)
        << record;
  }
  EXPECT_EQ(ReadAll(TarFile("p", std::string((1 << 20) + 1, 'x'), 'L')).status.code(), StatusCode::kLimitExceeded);
}

TEST(Tar, MutantsNeverReadOutside) {
  const std::string good =
      TarFile("p", PaxRecord("path", "long/name"), 'x') + TarFile("a", "one") + TarFile("b", "two") + kTarEnd;
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string mutant = good.substr(0, random() % 4 == 0 ? random() % good.size() : good.size());
    for (int k = 0; k < 3 && !mutant.empty(); ++k) mutant[random() % mutant.size()] = static_cast<char>(random());
    for (const auto& [name, data] : ReadAll(mutant).files) EXPECT_LE(data.size(), good.size());
  }
}

}  // namespace
}  // namespace diptych
