#include "apps/shard.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace diptych {
namespace {

class ShardTest : public testing::Test {
 protected:
  void SetUp() override { Launch("", ""); }
  void TearDown() override { Launch("", ""); }
  static void Launch(const std::string& rank, const std::string& size) {
    ::setenv("OMPI_COMM_WORLD_RANK", rank.c_str(), 1);
    ::setenv("OMPI_COMM_WORLD_SIZE", size.c_str(), 1);
  }
};

TEST_F(ShardTest, EveryPathIsOfOnePart) {
  int shares[3] = {};
  for (int i = 0; i < 300; ++i) {
    const std::string path = "/photos/" + std::to_string(i) + ".jpg";
    int owners = 0;
    for (uint64_t part = 0; part < 3; ++part) {
      const bool has = ParseShard(std::to_string(part) + "/3")->Has(path);
      owners += has;
      shares[part] += has;
    }
    EXPECT_EQ(owners, 1) << path;
  }
  for (const int share : shares) EXPECT_GT(share, 60);
}

TEST_F(ShardTest, RefusesWhatIsNoPart) {
  for (const char* text : {"1", "/", "1/", "/2", "2/2", "-1/2", "0/0", "1/2x", "0 / 2"}) {
    EXPECT_EQ(ParseShard(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ParseShard("")->Has("/a"));
}

TEST_F(ShardTest, MpirunGivesThePart) {
  Launch("1", "4");
  const ShardPart part = *ParseShard("");
  EXPECT_EQ(part.index, 1u);
  EXPECT_EQ(part.count, 4u);
  EXPECT_EQ(part.Output("out/a.npy"), "out/a-1-of-4.npy");
  EXPECT_EQ(part.Output(""), "");
  const ShardPart asked = *ParseShard("0/2");  // what is asked for stands above it
  EXPECT_EQ(asked.count, 2u);
  EXPECT_EQ(asked.Output("a.npy"), "a.npy");
}

TEST_F(ShardTest, ALauncherOfOneProcessOrOfNoSenseMeansEverything) {
  for (const auto& [rank, size] : {std::pair("0", "1"), std::pair("4", "4"), std::pair("x", "4"), std::pair("1", "")}) {
    Launch(rank, size);
    const ShardPart part = *ParseShard("");
    EXPECT_EQ(part.count, 1u);
    EXPECT_EQ(part.Output("a.npy"), "a.npy");
  }
}

}  // namespace
}  // namespace diptych
