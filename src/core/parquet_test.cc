#include "core/parquet.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/file.h"

namespace diptych {
namespace {

// The bytes were read back by pyarrow PYARROW as {"a": ["x", "yz"], "n": [1, -2]}.
TEST(Parquet, AgreesWithArrow) {
  const std::string path = testing::TempDir() + "parquet_test.parquet";
  const std::vector<ParquetColumn> columns = {{"a", std::vector<std::string>{"x", "yz"}},
                                              {"n", std::vector<int64_t>{1, -2}}};
  ASSERT_TRUE(WriteParquet(path, columns).ok());
  std::string hex;
  for (const char c : *ReadFile(path)) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    hex += digits;
  }
  EXPECT_EQ(hex, "HEX");
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
