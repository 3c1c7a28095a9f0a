#include "core/parquet.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/file.h"

namespace diptych {
namespace {

// The bytes were read back by pyarrow 26.0.1 as {"a": ["x", "yz"], "n": [1, -2]}.
TEST(Parquet, AgreesWithArrow) {
  const std::string path = testing::TempDir() + "parquet_test.parquet";
  const std::vector<ParquetColumn> columns = {{"a", std::vector<std::string>{"x", "yz"}},
                                              {"n", std::vector<int64_t>{1, -2}}};
  ASSERT_TRUE(WriteParquet(path, columns).ok());
  const std::string bytes = ReadFile(path).value();
  std::string hex;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    hex += digits;
  }
  EXPECT_EQ(hex,
      "504152311500151615162c15041500150615060000010000007802000000797a1500152015202c15041500150615060000010000"
      "0000000000feffffffffffffff1502193c4806736368656d61150400150c25001801612500001504250018016e001604191c192c"
      "26081c150c1915001918016115001604163816382608000026401c15041915001918016e150016041642164226400000167a1604"
      "00280764697074796368006600000050415231");
  std::remove(path.c_str());
}

TEST(Parquet, NoRows) {
  const std::string path = testing::TempDir() + "parquet_test_empty.parquet";
  EXPECT_TRUE(WriteParquet(path, {{"a", std::vector<std::string>{}}}).ok());
  EXPECT_FALSE(WriteParquet("/no/such/folder/a.parquet", {{"a", std::vector<std::string>{}}}).ok());
  std::remove(path.c_str());
}

}  // namespace
}  // namespace diptych
