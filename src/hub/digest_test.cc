#include "hub/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace diptych::hub {
namespace {

std::string Sha(Digest::Kind kind, std::string_view text) {
  Digest digest(kind);
  digest.Update(text);
  return digest.Finish();
}

// The examples of FIPS 180-4 and the million letters that go with them.
TEST(Digest, KnownAnswers) {
  constexpr char kTwoBlocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(Sha(Digest::Kind::kSha256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha(Digest::Kind::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha(Digest::Kind::kSha256, kTwoBlocks), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha(Digest::Kind::kSha256, std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Sha(Digest::Kind::kSha1, ""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(Sha(Digest::Kind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Sha(Digest::Kind::kSha1, kTwoBlocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(Sha(Digest::Kind::kSha1, std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(Digest, PiecesOfAnySizeGiveTheSame) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  for (const Digest::Kind kind : {Digest::Kind::kSha1, Digest::Kind::kSha256}) {
    for (size_t length : {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 300}) {
      const std::string whole = Sha(kind, text.substr(0, length));
      for (size_t piece : {1, 3, 63, 64, 65, 200}) {
        Digest digest(kind);
        for (size_t at = 0; at < length; at += piece) digest.Update(text.substr(at, std::min(piece, length - at)));
        ASSERT_EQ(digest.Finish(), whole) << length << " in pieces of " << piece;
      }
    }
  }
}

}  // namespace
}  // namespace diptych::hub
