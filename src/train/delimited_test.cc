#include "train/delimited.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace diptych::train {
namespace {

using Row = std::vector<std::string>;

struct Table {
  std::vector<Row> rows;
  std::vector<int64_t> lines;
  Status status;
};

Table ReadAll(const std::string& text, char separator = ',') {
  Table table;
  DelimitedReader reader(text, separator);
  for (Row row; true;) {
    const Result<bool> any = reader.Next(&row);
    table.status = any.status();
    if (!any.ok() || !*any) return table;
    // The bytes of a row are a table of one row.
    DelimitedReader alone(std::string_view(text).substr(reader.row_begin(), reader.row_end() - reader.row_begin()),
                          separator);
    Row again;
    EXPECT_TRUE(*alone.Next(&again));
    EXPECT_EQ(again, row);
    table.rows.push_back(row);
    table.lines.push_back(reader.line());
  }
}

TEST(Delimited, PlainRows) {
  EXPECT_EQ(ReadAll("a,b\nc,d\n").rows, (std::vector<Row>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(ReadAll("\xEF\xBB\xBF"
                    "a,b\r\n\r\n\nc,d")
                .rows,
            (std::vector<Row>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(ReadAll("a,\n,\n").rows, (std::vector<Row>{{"a", ""}, {"", ""}}));
  EXPECT_EQ(ReadAll("a b\tc,d", '\t').rows, (std::vector<Row>{{"a b", "c,d"}}));
  EXPECT_TRUE(ReadAll("").rows.empty());
  EXPECT_TRUE(ReadAll("\n\r\n").rows.empty());
}

TEST(Delimited, QuotedFields) {
  EXPECT_EQ(ReadAll("\"a,\"\"b\"\"\r\nc\",d\n").rows, (std::vector<Row>{{"a,\"b\"\r\nc", "d"}}));
  EXPECT_EQ(ReadAll("\"\",x").rows, (std::vector<Row>{{"", "x"}}));
  EXPECT_EQ(ReadAll("5\" pipe,\"Hello\" he said\n").rows, (std::vector<Row>{{"5\" pipe", "Hello he said"}}));
  const Table table = ReadAll("h\n\"two\nlines\"\n\nlast\n");
  EXPECT_EQ(table.lines, (std::vector<int64_t>{1, 2, 5}));
}

TEST(Delimited, ErrorsNameTheLine) {
  const Table table = ReadAll("a\nb\n\"never closed\nc\n");
  EXPECT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.status.where(), "line 3");
  EXPECT_EQ(table.status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadAll("a\n" + std::string(DelimitedReader::kMaxRow + 1, 'x')).status.where(), "line 2");
  EXPECT_EQ(ReadAll("a\n\"" + std::string(3 * DelimitedReader::kMaxRow, 'x') + "\"").status.where(), "line 2");
  EXPECT_EQ(ReadAll("\"").status.code(), StatusCode::kCorrupt);
}

TEST(Delimited, AnyBytesAreReadOrRefused) {
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (uint64_t size = rng.Below(30); size > 0; --size) text += "a,\"\n\r\t\xEF\xBB\xBF"[rng.Below(9)];
    size_t bytes = 0;
    for (const Row& row : ReadAll(text).rows) {
      EXPECT_FALSE(row.empty());
      for (const std::string& field : row) bytes += field.size();
    }
    EXPECT_LE(bytes, text.size());
  }
}

}  // namespace
}  // namespace diptych::train
