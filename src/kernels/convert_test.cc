#include "kernels/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "core/half.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

std::vector<uint8_t> Misaligned(const void* data, size_t bytes) {
  std::vector<uint8_t> copy(bytes + 1);
  std::memcpy(copy.data() + 1, data, bytes);
  return copy;
}

// All 65,536 patterns, and 7 more so that there is a tail; NaN patterns need only stay NaN.
TEST(ToFloat, EveryHalfAndBrainFloat) {
  ForEachTarget([] {
    std::vector<uint16_t> bits(65536 + 7);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    const std::vector<uint8_t> bytes = Misaligned(bits.data(), 2 * bits.size());
    std::vector<float> y(bits.size());
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      ToFloat(TensorView(bytes.data() + 1, dtype, {static_cast<int64_t>(bits.size())}), y.data());
      for (size_t i = 0; i < bits.size(); ++i) {
        const float exact = dtype == DType::kF16 ? HalfToFloat(bits[i]) : BFloat16ToFloat(bits[i]);
        if (std::isnan(exact)) {
          ASSERT_TRUE(std::isnan(y[i])) << dtype << " " << i;
        } else {
          ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(exact)) << dtype << " " << i;
        }
      }
    }
  });
}

TEST(ToFloat, FloatsAndDoubles) {
  const std::vector<double> x{0.1, -1e300, 3.0, 1e-50};
  const std::vector<uint8_t> bytes = Misaligned(x.data(), sizeof(double) * x.size());
  std::vector<float> y(4), again(4);
  ToFloat(TensorView(bytes.data() + 1, DType::kF64, {4}), y.data());
  EXPECT_EQ(y, (std::vector<float>{0.1f, -std::numeric_limits<float>::infinity(), 3.0f, 0.0f}));
  const std::vector<uint8_t> floats = Misaligned(y.data(), sizeof(float) * y.size());
  ToFloat(TensorView(floats.data() + 1, DType::kF32, {2, 2}), again.data());
  EXPECT_EQ(again, y);
  ToFloat(TensorView(floats.data() + 1, DType::kF16, {0}), again.data());
}

TEST(FromFloat, RoundsAsTheScalarConversions) {
  std::vector<float> x = Random(1000, 1, 1000.0f);
  x.push_back(1e9f);
  std::vector<uint16_t> y(x.size());
  FromFloat(x.data(), static_cast<int64_t>(x.size()), DType::kF16, y.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], FloatToHalf(x[i]));
  FromFloat(x.data(), static_cast<int64_t>(x.size()), DType::kBF16, y.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], FloatToBFloat16(x[i]));
}

TEST(RoundToBF16, AsTheScalarConversion) {
  std::vector<float> x;
  for (const uint32_t bits : {0x3f808000u, 0x3f818000u, 0x3f807fffu, 0x3f808001u, 0x7f7fffffu, 0x7f800000u, 0xff800000u,
                              0x7f800001u, 0xffffffffu, 0x00000001u, 0x80000000u, 0x00018000u}) {
    x.push_back(std::bit_cast<float>(bits));
  }
  for (const float value : Random(1003, 1)) x.push_back(value);
  ForEachTarget([&] {
    std::vector<float> y(x.size());
    std::vector<uint16_t> halves(x.size());
    RoundToBF16(x.data(), static_cast<int64_t>(x.size()), y.data());
    FromFloat(x.data(), static_cast<int64_t>(x.size()), DType::kBF16, halves.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const uint16_t expected = FloatToBFloat16(x[i]);
      EXPECT_EQ(halves[i], expected) << x[i];
      EXPECT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(BFloat16ToFloat(expected))) << x[i];
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
