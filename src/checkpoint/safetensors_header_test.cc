#include "checkpoint/safetensors_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "checkpoint/safetensors.h"

namespace diptych {
namespace {

// A file with this header and `data_bytes` zeros.
std::string File(const std::string& header, size_t data_bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(header.size() >> (8 * i) & 255));
  return file + header + std::string(data_bytes, '\0');
}

ByteSpan Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string ErrorOf(std::string_view file) {
  const Result<SafetensorsHeader> header = ReadSafetensorsHeader(Bytes(file), "m");
  return header.ok() ? "ok" : header.status().where() + ": " + header.status().what();
}

std::string HeaderError(const std::string& header, size_t data_bytes = 0) {
  return ErrorOf(File(header, data_bytes));
}

TEST(SafetensorsHeader, ReadsWhatIsThere) {
  const std::string file = File(
      R"({"b": {"data_offsets": [4, 8], "shape": [], "dtype": "F32"}, "__metadata__": {"format": "pt"},
          "a": {"dtype": "F16", "shape": [2, 1], "data_offsets": [0, 4]}}   )",
      8);
  const Result<SafetensorsHeader> header = ReadSafetensorsHeader(Bytes(file), "m");
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(header->data.size(), 8u);
  ASSERT_EQ(header->entries.size(), 2u);
  EXPECT_EQ(header->entries.at("a").dtype, DType::kF16);
  EXPECT_EQ(header->entries.at("a").shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(header->entries.at("b").begin, 4);
  EXPECT_EQ(HeaderError("{}"), "ok");
}

TEST(SafetensorsHeader, TruncatedAnywhereIsRefused) {
  const std::string file = File(R"({"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}})", 8);
  ASSERT_EQ(ErrorOf(file), "ok");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(ErrorOf(std::string_view(file).substr(0, size)), "ok") << size;
  }
  EXPECT_EQ(ErrorOf("1234"), "m: has 4 bytes, too few for a safetensors file");
  EXPECT_EQ(ErrorOf(file.substr(0, 40)), "m: is truncated: its header is 56 bytes long, the file only 40");
  EXPECT_EQ(ErrorOf(file + "x"), "m: its header describes 8 bytes of tensors, the file has 9");
}

TEST(SafetensorsHeader, GiantHeadersAndOtherFormatsAreNamed) {
  EXPECT_EQ(
      ErrorOf(std::string(16, '\xff')),
      "m: is not a safetensors file: its header would be 18446744073709551615 bytes long, the limit is 100000000");
  EXPECT_EQ(ErrorOf("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
            "m: is a Git LFS pointer, not the weights themselves");
  EXPECT_EQ(ErrorOf("PK\x03\x04 and the rest of an archive"),
            "m: is a zip archive (a PyTorch checkpoint?), not a safetensors file");
  EXPECT_EQ(HeaderError("[]"), "m: is not a safetensors file: its header does not begin with '{'");
  EXPECT_EQ(HeaderError(" {}"), "m: is not a safetensors file: its header does not begin with '{'");
}

TEST(SafetensorsHeader, OffsetsCoverTheDataOnce) {
  const auto two = [](const std::string& a, const std::string& b, size_t bytes) {
    return HeaderError(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                       bytes);
  };
  EXPECT_EQ(two("[0,4]", "[4,8]", 8), "ok");
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "ok");
  EXPECT_EQ(two("[0,4]", "[3,7]", 7), "m: tensor \"b\": overlaps the tensor before it: it begins at 3, not at 4");
  EXPECT_EQ(two("[0,4]", "[0,4]", 4), "m: tensor \"b\": overlaps the tensor before it: it begins at 0, not at 4");
  EXPECT_EQ(two("[0,4]", "[5,9]", 9), "m: tensor \"b\": leaves a gap before it: it begins at 5, not at 4");
  EXPECT_EQ(two("[1,5]", "[5,9]", 9), "m: tensor \"a\": leaves a gap before it: it begins at 1, not at 0");
  EXPECT_EQ(two("[4,0]", "[4,8]", 8),
            "m: tensor \"a\": needs 4 bytes by its dtype and shape, but its data_offsets are [4, 0]");
  EXPECT_EQ(two("[0,4]", "[9223372036854775803,9223372036854775807]", 8),
            "m: tensor \"b\": leaves a gap before it: it begins at 9223372036854775803, not at 4");
  EXPECT_NE(two("[0,4]", "[4,9223372036854775808]", 8).find("a number is too large"), std::string::npos);
}

TEST(SafetensorsHeader, ShapesFitTheirBytes) {
  const auto one = [](const std::string& dtype, const std::string& shape, size_t bytes) {
    return HeaderError("{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[0," +
                           std::to_string(bytes) + "]}}",
                       bytes);
  };
  EXPECT_EQ(one("F32", "[2,0,3]", 0), "ok");
  EXPECT_EQ(one("F4", "[3,2]", 3), "ok");
  EXPECT_EQ(one("F4", "[3]", 2), "m: tensor \"a\": ends in the middle of a byte");
  EXPECT_EQ(one("F32", "[2,3]", 12),
            "m: tensor \"a\": needs 24 bytes by its dtype and shape, but its data_offsets are [0, 12]");
  EXPECT_EQ(one("F31", "[1]", 4), "m: tensor \"a\": has the unknown dtype \"F31\"");
  const std::string too_large = "m: tensor \"a\": has a shape whose size does not fit into 63 bits";
  EXPECT_EQ(one("F32", "[4294967296,4294967296]", 0), too_large);
  EXPECT_EQ(one("U8", "[9223372036854775807,2]", 0), too_large);
  EXPECT_EQ(one("F64", "[2305843009213693952]", 0), too_large);
  EXPECT_EQ(one("U8", "[9223372036854775807,9223372036854775807,0]", 0), too_large);
  std::string rank33 = "[1";
  for (int i = 1; i < 33; ++i) rank33 += ",1";
  EXPECT_EQ(one("U8", rank33 + "]", 1), "m: tensor \"a\": has more than 32 dimensions");
  EXPECT_NE(one("U8", "[-1]", 1).find("expected a whole number"), std::string::npos);
  EXPECT_NE(one("U8", "[1.0]", 1).find("expected a whole number"), std::string::npos);
  EXPECT_NE(one("U8", "1", 1).find("expected '['"), std::string::npos);
}

TEST(SafetensorsHeader, FieldsAreAllThereOnce) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(HeaderError("{" + a + "," + a + "}", 1), "m: tensor \"a\": is listed twice");
  EXPECT_EQ(HeaderError("{" + a + R"(,"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})", 1),
            "m: tensor \"a\": is listed twice");
  EXPECT_EQ(HeaderError(R"({"__metadata__":{},"__metadata__":{}})"), "m: its header has __metadata__ twice");
  EXPECT_EQ(HeaderError(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "m: tensor \"a\": has no dtype");
  EXPECT_EQ(HeaderError(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "m: tensor \"a\": has no shape");
  EXPECT_EQ(HeaderError(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "m: tensor \"a\": has no data_offsets");
  EXPECT_EQ(HeaderError(R"({"a":{"dtype":"U8","dtype":"U8"}})"), "m: tensor \"a\": has the field \"dtype\" twice");
  EXPECT_EQ(HeaderError(R"({"a":{"stride":[1]}})"), "m: tensor \"a\": has the unknown field \"stride\"");
  EXPECT_NE(HeaderError(R"({"__metadata__":{"n":1}})").find("expected a string"), std::string::npos);
  EXPECT_NE(HeaderError("{" + a + "} x", 1).find("something follows the last bracket at byte"), std::string::npos);
}

TEST(SafetensorsHeader, MessagesAreOneShortLine) {
  const std::string name(1'000'000, 'n');
  EXPECT_LT(HeaderError("{\"" + name + "\":{}}").size(), 300u);
  EXPECT_EQ(QuotedTensorName("a\nb\x7f"), "\"a?b?\"");
  EXPECT_EQ(QuotedTensorName(std::string(99, 'x') + "\u20ac"), "\"" + std::string(99, 'x') + "...\"");
}

TEST(SafetensorsHeader, BombsAreRefused) {
  EXPECT_NE(HeaderError("{\"a\":" + std::string(1'000'000, '[')).find("expected '{'"), std::string::npos);
  EXPECT_NE(HeaderError("{\"a\":{\"shape\":" + std::string(1'000'000, '[')).find("expected a whole number"),
            std::string::npos);
  std::string many = "{";
  for (int i = 0; i <= 1 << 18; ++i) {
    many += "\"" + std::to_string(i) + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
  }
  many.back() = '}';
  EXPECT_EQ(HeaderError(many), "m: its header lists more than 262144 tensors");
  std::string long_shape = "{\"a\":{\"dtype\":\"U8\",\"shape\":[0";
  for (int i = 0; i < 1'000'000; ++i) long_shape += ",0";
  EXPECT_EQ(HeaderError(long_shape + "],\"data_offsets\":[0,0]}}"), "m: tensor \"a\": has more than 32 dimensions");
}

// A file with a few bytes changed is refused or read; either way nothing outside of it is touched (the sanitizers
// watch), and every tensor that comes out lies inside.
void CheckMutant(std::string_view file, int* read) {
  const Result<StateDict> tensors = ParseSafetensors(Bytes(file), nullptr, "m");
  if (!tensors.ok()) {
    ASSERT_NE(tensors.status().what(), "");
    ASSERT_LT(tensors.status().ToString().size(), 1000u);
    return;
  }
  ++*read;
  for (const auto& [name, tensor] : *tensors) {
    ASSERT_LE(tensor.view.SizeBytes(), file.size());
    uint8_t sum = 0;
    for (size_t i = 0; i < tensor.view.SizeBytes(); ++i) sum ^= static_cast<const uint8_t*>(tensor.view.raw())[i];
    [[maybe_unused]] static volatile uint8_t sink;  // a read whose result is unused would be dropped
    sink = sum;
  }
}

TEST(SafetensorsHeader, MutantsAreRefusedOrRead) {
  constexpr std::string_view kPieces[] = {
      "{",  "}",   "[",    "]",     ",",     ":",   "\"",    "\\u", "0", "9223372036854775807",
      "-1", "1e9", "\xff", "\"a\"", "dtype", "F64", "[0,0]", "null"};
  const std::string original = *ReadFile(DIPTYCH_SOURCE_DIR "/tests/golden/checkpoint/every_dtype.safetensors");
  std::mt19937 random(20240607);
  const auto below = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  int read = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (int i = 0; i < 100'000 && std::chrono::steady_clock::now() < deadline; ++i) {
    std::string mutant = original;
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      const size_t at = below(mutant.size());
      const std::string_view piece = kPieces[below(std::size(kPieces))];
      switch (below(5)) {
        case 0: mutant[at] = static_cast<char>(below(256)); break;
        case 1: mutant.insert(at, piece); break;
        case 2: mutant.replace(at, piece.size(), piece); break;
        case 3: mutant.erase(at, 1 + below(20)); break;
        default: mutant.insert(at, mutant.substr(below(mutant.size()), below(100))); break;
      }
      if (mutant.empty()) mutant = "{";
    }
    // Half of them get a true header size again: without it hardly any mutant would pass the first check.
    const size_t last = mutant.find("]}}", 8);
    if (below(2) == 0 && last != std::string::npos) {
      const size_t size = std::min(mutant.find_first_not_of(' ', last + 3), mutant.size()) - 8;
      for (size_t k = 0; k < 8; ++k) mutant[k] = static_cast<char>(size >> (8 * k) & 255);
    }
    CheckMutant(mutant, &read);
    ASSERT_FALSE(HasFatalFailure()) << "mutant " << i;
  }
  EXPECT_GT(read, 0);  // changes of the data and of names are no violation
}

}  // namespace
}  // namespace diptych
