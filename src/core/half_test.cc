#include "core/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace diptych {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The definition of binary16, in doubles.
double ValueOfHalf(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(Half, EveryValueIsExactAndComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if ((half & 0x7c00) != 0x7c00) {
      ASSERT_EQ(static_cast<double>(value), ValueOfHalf(half)) << bits;
      ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
      ASSERT_EQ(FloatToHalf(value), half) << bits;
    } else if ((half & 0x3ff) == 0) {
      ASSERT_EQ(value, half & 0x8000 ? -kInfinity : kInfinity);
      ASSERT_EQ(FloatToHalf(value), half);
    } else {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value)))) << bits;
    }
  }
}

// Between two neighbours, the midpoint goes to the even one and what lies beside it to the nearer one.
TEST(Half, RoundsToNearestEven) {
  for (uint16_t low = 0; low < 0x7bff; ++low) {
    const uint16_t high = static_cast<uint16_t>(low + 1);
    const float middle = (HalfToFloat(low) + HalfToFloat(high)) / 2;  // exact: one more bit of fraction
    const uint16_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(FloatToHalf(middle), even) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, kInfinity)), high) << low;
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000) << low;
  }
}

TEST(Half, OverflowsToInfinity) {
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-1e30f), 0xfc00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(BFloat16, EveryValueComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t value = static_cast<uint16_t>(bits);
    const float wide = BFloat16ToFloat(value);
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(wide)))) << bits;
    } else {
      ASSERT_EQ(FloatToBFloat16(wide), value) << bits;
    }
  }
}

TEST(BFloat16, RoundsToNearestEven) {
  for (uint32_t low = 0; low < 0x7f7f; ++low) {
    const uint32_t middle = low << 16 | 0x8000;
    ASSERT_EQ(FloatToBFloat16(std::bit_cast<float>(middle)), low % 2 == 0 ? low : low + 1) << low;
    ASSERT_EQ(FloatToBFloat16(std::bit_cast<float>(middle - 1)), low) << low;
    ASSERT_EQ(FloatToBFloat16(std::bit_cast<float>(middle + 1)), low + 1) << low;
    ASSERT_EQ(FloatToBFloat16(std::bit_cast<float>(0x80000000u | (middle + 1))), (low + 1) | 0x8000) << low;
  }
}

// A NaN whose payload lies in the low half must not become infinity, nor a large one wrap to zero.
TEST(BFloat16, KeepsNaN) {
  for (const uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu}) {
    EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(std::bit_cast<float>(bits))))) << std::hex << bits;
  }
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace diptych
