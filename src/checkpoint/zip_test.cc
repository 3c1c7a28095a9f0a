#include "checkpoint/zip.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/test_util.h"

namespace diptych {
namespace {

const std::string kGolden = DIPTYCH_SOURCE_DIR "/tests/golden/torch/";

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Content(const ZipEntry& entry) {
  return std::string(entry.data.begin(), entry.data.end());
}

ZipBuilder Two() {
  ZipBuilder archive;
  archive.Add("a/x", "hello");
  archive.Add("a/y", "");
  return archive;
}

std::string ZipError(const std::string& file) {
  const Result<ZipEntries> entries = ReadZipDirectory(Bytes(file), "m");
  if (entries.ok()) return "ok";
  const std::string text = entries.status().ToString();
  return text.substr(0, text.find(';'));
}

std::string Lie(const std::function<void(ZipBuilder&)>& lie) {
  return ZipError(Two().Finish(lie));
}

TEST(Zip, EntriesLieWhereTheDirectorySays) {
  for (const bool zip64 : {false, true}) {
    const std::string file = Two().Finish([&](ZipBuilder& a) { a.zip64 = zip64; });
    const Result<ZipEntries> entries = ReadZipDirectory(Bytes(file), "m");
    ASSERT_TRUE(entries.ok()) << entries.status().ToString();
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ(Content(entries->at("a/x")), "hello");
    EXPECT_EQ(Content(entries->at("a/y")), "");
    EXPECT_TRUE(entries->at("a/x").stored);
  }
}

TEST(Zip, PyTorchsArchivesAreRead) {
  const std::string file = *ReadFile(kGolden + "scripted.pt");
  const Result<ZipEntries> entries = ReadZipDirectory(Bytes(file), "m");
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_EQ(entries->size(), 26u);
  EXPECT_EQ(Content(entries->at("scripted/byteorder")), "little");
  EXPECT_EQ(entries->at("scripted/data/0").data.size(), 32u);
  EXPECT_EQ((entries->at("scripted/data/0").data.data() - Bytes(file).data()) % 64, 0);
  EXPECT_FALSE(entries->at("scripted/code/__torch__.py").stored);
}

TEST(Zip, ACommentMayFollow) {
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.comment = "PK\5\6 is no end record here"; }), "ok");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.comment = std::string(0xffff, 'c'); }), "ok");
  EXPECT_EQ(ZipError(Two().Finish() + "x"), "m: has no zip directory at its end");
}

TEST(Zip, CompressedAndEncryptedEntriesAreMarked) {
  const std::string file = Two().Finish([](ZipBuilder& a) {
    a.entries[0].method = 8;
    a.entries[0].unpacked = 1000;
    a.entries[1].flags = 1;
  });
  const Result<ZipEntries> entries = ReadZipDirectory(Bytes(file), "m");
  ASSERT_TRUE(entries.ok());
  EXPECT_FALSE(entries->at("a/x").stored);
  EXPECT_FALSE(entries->at("a/y").stored);
}

TEST(Zip, LiesAreFound) {
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[0].packed = a.entries[0].unpacked = 1000; }),
            "m: entry \"a/x\": reaches beyond the end of the file");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[0].packed = 4; }), "m: entry \"a/x\": has two different sizes");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[1].offset = 1; }),
            "m: entry \"a/y\": does not lie where the directory says");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[1].offset = 0xfffffffe; }),
            "m: entry \"a/y\": does not lie where the directory says");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[1].offset = 0xffffffff; }), "m: entry \"a/y\": lacks its zip64 sizes");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[1].name = "a/x"; }), "m: entry \"a/x\": is there twice");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[1].offset = 0; }), "m: two of its zip entries overlap at byte 0");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.entries[0].packed = a.entries[0].unpacked = 30; }),
            "m: two of its zip entries overlap at byte 57");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.count = 3; }), "m: its zip directory breaks off after 2 of 3 entries");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.directory_offset -= 1; }),
            "m: its zip directory breaks off after 0 of 2 entries");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.directory_offset = 5000; }), "m: its zip directory lies outside of the file");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.directory_bytes = 0xffff0000; }),
            "m: its zip directory lies outside of the file");
  EXPECT_EQ(Lie([](ZipBuilder& a) { a.directory_bytes = 0xffffffff; }), "m: its zip directory has no zip64 locator");
  EXPECT_EQ(ZipError(""), "m: has no zip directory at its end");
}

TEST(Zip, Zip64LiesAreFound) {
  const auto lie = [](const std::function<void(ZipBuilder&)>& more) {
    return Lie([&](ZipBuilder& a) {
      a.zip64 = true;
      more(a);
    });
  };
  constexpr uint64_t kHuge = ~uint64_t{0} - 5;
  EXPECT_EQ(lie([](ZipBuilder& a) { a.entries[1].offset = kHuge; }),
            "m: entry \"a/y\": does not lie where the directory says");
  EXPECT_EQ(lie([](ZipBuilder& a) { a.entries[1].packed = a.entries[1].unpacked = kHuge; }),
            "m: entry \"a/y\": reaches beyond the end of the file");
  EXPECT_EQ(lie([](ZipBuilder& a) { a.count = kHuge; }),
            "m: its zip directory breaks off after 2 of 18446744073709551610 entries");
  EXPECT_EQ(lie([](ZipBuilder& a) { a.directory_bytes = kHuge; }), "m: its zip directory lies outside of the file");
  EXPECT_EQ(lie([](ZipBuilder& a) { a.directory_offset = kHuge; }), "m: its zip directory lies outside of the file");
  std::string file = Two().Finish([](ZipBuilder& a) { a.zip64 = true; });
  file.replace(file.find("PK\6\7") + 8, 8, LittleEndian(kHuge, 8));
  EXPECT_EQ(ZipError(file), "m: its zip directory has no zip64 record");
}

TEST(Zip, EveryTruncationIsRefused) {
  for (const bool zip64 : {false, true}) {
    const std::string file = Two().Finish([&](ZipBuilder& a) { a.zip64 = zip64; });
    for (size_t size = 0; size < file.size(); ++size) {
      // On a heap block of its own, so that AddressSanitizer sees the first byte read beyond it.
      const std::vector<uint8_t> cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(ReadZipDirectory(cut, "m").ok()) << size;
    }
  }
}

}  // namespace
}  // namespace diptych
