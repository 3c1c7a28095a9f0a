#include "index/remote.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

TEST(Remote, SplitsAddresses) {
  EXPECT_TRUE(IsRemoteAddress("postgres://h/d"));
  EXPECT_TRUE(IsRemoteAddress("postgresql://h/d"));
  EXPECT_FALSE(IsRemoteAddress("/a/store"));
  const auto shards = *SplitRemoteAddress("postgres://me:s@cret@a:1,b,[::1]:3/pictures?sslmode=require");
  EXPECT_EQ(shards, (std::vector<std::string>{"postgresql://me:s@cret@a:1/pictures?sslmode=require",
                                              "postgresql://me:s@cret@b/pictures?sslmode=require",
                                              "postgresql://me:s@cret@[::1]:3/pictures?sslmode=require"}));
  EXPECT_EQ(*SplitRemoteAddress("postgres://a"), std::vector<std::string>{"postgresql://a"});
  for (const char* bad : {"postgres://", "postgres://a,,b/d", "postgres://u@/d", "mysql://a/d", ""}) {
    EXPECT_FALSE(SplitRemoteAddress(bad).ok()) << bad;
  }
}

TEST(Remote, MessagesHoldNoPassword) {
  EXPECT_EQ(WithoutPassword("postgres://me:secret@a:5432/d"), "postgres://me@a:5432/d");
  EXPECT_EQ(WithoutPassword("postgres://me:s@cret@a:5432/d"), "postgres://me@a:5432/d");
  EXPECT_EQ(WithoutPassword("postgres://a:5432/d"), "postgres://a:5432/d");
  EXPECT_EQ(WithoutPassword("/a/store"), "/a/store");
}

TEST(Remote, AServerThatIsNotThereIsUnavailable) {
  const auto store = OpenRemote("postgres://me:secret@127.0.0.1:1/d", nullptr);
  ASSERT_FALSE(store.ok());
  EXPECT_TRUE(store.status().code() == StatusCode::kUnavailable || store.status().code() == StatusCode::kUnsupported);
  EXPECT_EQ(store.status().ToString().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace diptych
