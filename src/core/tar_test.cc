#include "core/tar.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

namespace diptych {
namespace {

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A ustar header with a correct checksum.
std::string Header(const std::string& name, const std::string& size, char type = '0', const std::string& prefix = "") {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, size.size(), size);
  header.replace(148, 8, 8, ' ');
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  header.replace(345, prefix.size(), prefix);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%06o", sum);
  header.replace(148, 7, digits.data(), 7);
  return header;
}

std::string Octal(size_t value) {
  std::array<char, 12> digits{};
  std::snprintf(digits.data(), digits.size(), "%011zo", value);
  return std::string(digits.data(), 11);
}

std::string File(const std::string& name, const std::string& data, char type = '0', const std::string& prefix = "") {
  return Header(name, Octal(data.size()), type, prefix) + data + std::string((512 - data.size() % 512) % 512, '\0');
}

const std::string kEnd(1024, '\0');

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

std::string PaxRecord(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

TEST(Tar, FilesInOrderFoldersAndLinksPassedOver) {
  const std::string folder = Header("d/", Octal(0), '5'), link = Header("l", Octal(0), '2');
  const Walk walk = ReadAll(File("a", "one") + folder + link + File("b", std::string(512, 'x')) + File("c", "") + kEnd);
  ASSERT_TRUE(walk.status.ok()) << walk.status.ToString();
  ASSERT_EQ(walk.files.size(), 3u);
  EXPECT_EQ(walk.files[0], std::make_pair(std::string("a"), std::string("one")));
  EXPECT_EQ(walk.files[1].second, std::string(512, 'x'));
  EXPECT_EQ(walk.files[2].second, "");
}

TEST(Tar, LongNames) {
  const std::string longest(300, 'n');
  const std::string pax = File("p", PaxRecord("mtime", "1.5") + PaxRecord("path", longest + "1"), 'x');
  const std::string gnu = File("././@LongLink", longest + "2" + '\0', 'L');
  const Walk walk =
      ReadAll(pax + File("short", "x") + gnu + File("short", "y") + File("name", "z", '0', "pre/fix") + kEnd);
  ASSERT_TRUE(walk.status.ok()) << walk.status.ToString();
  ASSERT_EQ(walk.files.size(), 3u);
  EXPECT_EQ(walk.files[0].first, longest + "1");
  EXPECT_EQ(walk.files[1].first, longest + "2");
  EXPECT_EQ(walk.files[2].first, "pre/fix/name");
}

TEST(Tar, BetweenPositionsLieWholeEntries) {
  const std::string longest(300, 'n');
  const std::string a = File("p", PaxRecord("path", longest), 'x') + File("short", "x");
  const std::string archive = a + Header("d/", Octal(0), '5') + File("b", std::string(700, 'y')) + kEnd;
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
  const Walk walk =
      ReadAll(File("p", PaxRecord("size", "600"), 'x') + Header("a", Octal(0)) + data + std::string(424, '\0') + kEnd);
  ASSERT_EQ(walk.files.size(), 1u) << walk.status.ToString();
  EXPECT_EQ(walk.files[0].second, data);
}

TEST(Tar, EndsAtABordersEndWithoutZeros) {
  EXPECT_TRUE(ReadAll(File("a", "x")).status.ok());
  EXPECT_TRUE(ReadAll("").status.ok());
}

TEST(Tar, DamageIsNamed) {
  const std::string good = File("a", "one");
  std::string flipped = good + File("b", "two") + kEnd;
  flipped[1024 + 3] ^= 1;
  const Walk walk = ReadAll(flipped);
  EXPECT_EQ(walk.files.size(), 1u);
  EXPECT_EQ(walk.status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(walk.status.where(), "a.tar at byte 1024");

  EXPECT_EQ(ReadAll(good + "half a header").status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(Header("a", Octal(5000)) + "x").status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(Header("a", "9x")).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(std::string(600, 'q')).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(Header("a", Octal(0), 'S')).status.code(), StatusCode::kUnsupported);
}

TEST(Tar, SizesThatOverflowAreRefused) {
  std::string huge(12, '\xff');
  EXPECT_EQ(ReadAll(Header("a", huge)).status.code(), StatusCode::kCorrupt);
  huge = std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(ReadAll(Header("a", huge)).status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll(File("p", PaxRecord("size", std::string(30, '9')), 'x')).status.code(), StatusCode::kCorrupt);
}

TEST(Tar, MalformedPaxHeadersAreRefused) {
  for (const char* record : {"5", "x path=a\n", "999 path=a\n", "3 a\n", "9 path=a\r\r", "0 =\n", " path=a\n"}) {
    EXPECT_EQ(ReadAll(File("p", record, 'x') + File("a", "") + kEnd).status.code(), StatusCode::kCorrupt) << record;
  }
  EXPECT_EQ(ReadAll(File("p", std::string((1 << 20) + 1, 'x'), 'L')).status.code(), StatusCode::kLimitExceeded);
}

TEST(Tar, MutantsNeverReadOutside) {
  const std::string good = File("p", PaxRecord("path", "long/name"), 'x') + File("a", "one") + File("b", "two") + kEnd;
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string mutant = good.substr(0, random() % 4 == 0 ? random() % good.size() : good.size());
    for (int k = 0; k < 3 && !mutant.empty(); ++k) mutant[random() % mutant.size()] = static_cast<char>(random());
    for (const auto& [name, data] : ReadAll(mutant).files) EXPECT_LE(data.size(), good.size());
  }
}

}  // namespace
}  // namespace diptych
