#include "kernels/products/narrow_gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/half.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  WeightOrder order = WeightOrder::kOutIn;
  Activation activation = Activation::kNone;
  bool residual = false;
  int threads = 1;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.m << " x " << c.n << " x " << c.k << " activation " << static_cast<int>(c.activation) << " threads "
             << c.threads;
}

// Shapes around the borders of tiles, groups of columns and units of rows.
std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
           {1, 1, 1}, {1, 768, 512}, {3, 5, 7}, {17, 100, 33}, {50, 513, 64}, {256, 48, 40}, {257, 1030, 65}}) {
    for (const int threads : {1, 2}) cases.push_back({.m = m, .n = n, .k = k, .threads = threads});
  }
  cases.push_back({.m = 40, .n = 24, .k = 72, .order = WeightOrder::kInOut});
  for (const auto activation : {Activation::kRelu, Activation::kRelu6, Activation::kQuickGelu, Activation::kGelu,
                                Activation::kGeluTanh}) {
    cases.push_back({.m = 33, .n = 70, .k = 48, .activation = activation, .residual = true});
    cases.push_back({.m = 65, .n = 160, .k = 200, .activation = activation});
  }
  // Several blocks of rows, several slices of a long K, several groups of columns.
  for (const int threads : {1, 2, 3}) {
    cases.push_back({.m = 900, .n = 96, .k = 64, .residual = true, .threads = threads});
    cases.push_back({.m = 70, .n = 416, .k = 2000, .residual = true, .threads = threads});
  }
  return cases;
}

struct Operands {
  std::vector<float> x, w, bias, residual;
};

Shape ShapeOf(const Case& c) {
  return c.order == WeightOrder::kOutIn ? Shape{c.n, c.k} : Shape{c.k, c.n};
}

std::vector<float> Expected(const Case& c, const Operands& o) {
  std::vector<float> y(static_cast<size_t>(c.m * c.n));
  reference::Linear(o.x.data(), c.m, View(o.w, ShapeOf(c)), c.order,
                    {o.bias.data(), c.residual ? o.residual.data() : nullptr, c.activation}, y.data());
  return y;
}

// Through rows of `out`, read back as floats.
std::vector<float> Actual(const Case& c, const Operands& o, Precision precision, Precision out = Precision::kF32) {
  Context context(c.threads);
  const Arena::Scope scope(context.arena());
  const PackedWeight packed = PackLinear(View(o.w, ShapeOf(c)), c.order, precision);
  const Epilogue epilogue{o.bias.data(), c.residual ? o.residual.data() : nullptr, c.activation};
  const Rows x = RowsOf(context, o.x.data(), c.m, c.k, InputType(packed));
  const MutableRows y = AllocateRows(context.arena(), out, c.m, c.n);
  Linear(context, x, c.m, packed, epilogue, y);
  std::vector<float> floats;
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      const std::byte* row = y.row(i);
      switch (out) {
        case Precision::kF32: floats.push_back(reinterpret_cast<const float*>(row)[j]); break;
        case Precision::kBF16: floats.push_back(BFloat16ToFloat(reinterpret_cast<const uint16_t*>(row)[j])); break;
        case Precision::kInt8:
          floats.push_back(y.scales[i] * (static_cast<float>(reinterpret_cast<const uint8_t*>(row)[j]) - 128.0f));
          break;
      }
    }
  }
  return floats;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& actual) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(expected[i]) - actual[i], 2);
    norm += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / norm);
}

Operands RandomOperands(const Case& c) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.k));
  return {Random(c.m * c.k, 1), Random(c.n * c.k, 2, scale), Random(c.n, 3), Random(c.m * c.n, 4)};
}

// Operands that bf16 holds exactly.
Operands BrainOperands(const Case& c) {
  Operands o = RandomOperands(c);
  for (float& v : o.x) v = BFloat16ToFloat(FloatToBFloat16(v));
  for (float& v : o.w) v = BFloat16ToFloat(FloatToBFloat16(v));
  return o;
}

// Operands that levels with a scale hold exactly: each row is made of zeros and of one magnitude.
Operands LevelOperands(const Case& c) {
  std::mt19937 engine(5);
  const auto fill = [&](std::vector<float>& values, float magnitude) {
    for (float& v : values) v = magnitude * static_cast<float>(static_cast<int>(engine() % 3) - 1);
  };
  Operands o = RandomOperands(c);
  fill(o.x, 0.37f);
  fill(o.w, 0.21f);
  return o;
}

TEST(NarrowLinear, IsExactWhereTheOperandsAre) {
  for (const Case& c : Cases()) {
    const Operands brains = BrainOperands(c), levels = LevelOperands(c);
    EXPECT_LT(MaxDifference(Expected(c, brains), Actual(c, brains, Precision::kBF16)), 1e-4) << c;
    EXPECT_LT(MaxDifference(Expected(c, levels), Actual(c, levels, Precision::kInt8)), 1e-3) << c;
  }
}

// bf16 has 8 bits: 2^-9 a rounding. int8: a row's levels are some 4 sigma / 127 apart.
TEST(NarrowLinear, RoundsNoMoreThanItsTypes) {
  for (const Case& c : Cases()) {
    const Operands o = RandomOperands(c);
    const std::vector<float> expected = Expected(c, o);
    EXPECT_LT(RelativeError(expected, Actual(c, o, Precision::kBF16)), 4e-3) << c;
    EXPECT_LT(RelativeError(expected, Actual(c, o, Precision::kInt8)), 2e-2) << c;
  }
}

TEST(NarrowLinear, WritesRowsForTheNextProduct) {
  for (const Case& c : Cases()) {
    const Operands brains = BrainOperands(c), levels = LevelOperands(c);
    if (EffectivePrecision(Precision::kBF16) == Precision::kBF16) {
      EXPECT_LT(RelativeError(Expected(c, brains), Actual(c, brains, Precision::kBF16, Precision::kBF16)), 3e-3) << c;
    }
    EXPECT_LT(RelativeError(Expected(c, levels), Actual(c, levels, Precision::kInt8, Precision::kInt8)), 1.5e-2) << c;
  }
}

TEST(NarrowLinear, RowsOfZerosStayZeros) {
  const Case c{.m = 3, .n = 8, .k = 16};
  const Operands o{std::vector<float>(48), Random(128, 1), std::vector<float>(8), {}};
  for (const Precision precision : kPrecisions) {
    for (const float y : Actual(c, o, precision)) EXPECT_EQ(y, 0);
  }
}

TEST(ConvertRows, RoundsToNearestInEveryInstructionSet) {
  constexpr int64_t kRows = 5, kColumns = 83;
  const std::vector<float> x = Random(kRows * kColumns, 7);
  ForEachTarget([&] {
    Context context;
    const Arena::Scope scope(context.arena());
    const MutableRows brains = AllocateRows(context.arena(), Precision::kBF16, kRows, kColumns);
    const MutableRows levels = AllocateRows(context.arena(), Precision::kInt8, kRows, kColumns);
    ConvertRows(context, x.data(), kRows, brains);
    ConvertRows(context, x.data(), kRows, levels);
    for (int64_t i = 0; i < kRows; ++i) {
      for (int64_t j = 0; j < kColumns; ++j) {
        const float value = x[static_cast<size_t>(i * kColumns + j)];
        EXPECT_EQ(reinterpret_cast<const uint16_t*>(brains.row(i))[j], FloatToBFloat16(value));
        const float level = static_cast<float>(reinterpret_cast<const uint8_t*>(levels.row(i))[j]) - 128.0f;
        EXPECT_LE(std::abs(level * levels.scales[i] - value), 0.5001f * levels.scales[i]);
      }
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
