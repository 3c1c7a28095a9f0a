#include "core/content_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace diptych {
namespace {

std::string HexOf(const std::string& text) {
  return HashBytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()}).ToHex();
}

// Values of mmh3 5.3 (Python), hash64(..., signed=False).
TEST(ContentHash, AgreesWithMurmurHash3) {
  std::string bytes;
  for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(HexOf(bytes.substr(0, 0)), "00000000000000000000000000000000");
  EXPECT_EQ(HexOf(bytes.substr(0, 1)), "51622daa78f835834610abe56eff5cb5");
  EXPECT_EQ(HexOf(bytes.substr(0, 7)), "613addd4bd25c787bd4c6987ca4b0d68");
  EXPECT_EQ(HexOf(bytes.substr(0, 8)), "60e6ee02ec31dcc747a7e1bdd68e2fc8");
  EXPECT_EQ(HexOf(bytes.substr(0, 9)), "78de751d0200ffb9fbb4cb0f6e812d32");
  EXPECT_EQ(HexOf(bytes.substr(0, 15)), "cd846dee88c67de947231598fd4925e9");
  EXPECT_EQ(HexOf(bytes.substr(0, 16)), "ab906456762fe845444924b591903f30");
  EXPECT_EQ(HexOf(bytes.substr(0, 17)), "c15f026b9edaa8245c76f40f9fe7c20e");
  EXPECT_EQ(HexOf(bytes.substr(0, 31)), "9ee59aefb4005490053dd3e1a32cd094");
  EXPECT_EQ(HexOf(bytes.substr(0, 32)), "1c050a6e34c31151c66d9022b62f500f");
  EXPECT_EQ(HexOf(bytes.substr(0, 100)), "0fbd6d93c8340799b06f9999c14051ca");
  EXPECT_EQ(HexOf(bytes.substr(0, 1024)), "ed876c1605cc45c669d9dcce316c4c29");
}

}  // namespace
}  // namespace diptych
