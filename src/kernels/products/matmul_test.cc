#include "kernels/products/matmul.h"

#include <gtest/gtest.h>

#include "kernels/products/block_gemm.h"
#include "kernels/products/library_matmul.h"
#include "kernels/reference.h"
#include "kernels/runtime.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

// Sums of k products of unit normals, scaled to unit variance: fp32 rounding stays well under this.
constexpr double kTolerance = 2e-5;

struct Case {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false, accumulate = false, bias = false, residual = false, in_place = false;
  int threads = 1;
  Precision precision = Precision::kF32;
};

double DifferenceFromReference(const Case& c) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(std::max<int64_t>(c.k, 1)));
  const std::vector<float> a = Random(c.m * c.k, 1), b = Random(c.k * c.n, 2, scale), bias = Random(c.n, 3);
  const std::vector<float> residual = Random(c.m * c.n, 4), before = Random(c.m * c.n, 5);
  MatMulArgs args{.m = c.m, .n = c.n, .k = c.k, .a = a.data(), .b = b.data()};
  args.transpose_a = c.transpose_a;
  args.transpose_b = c.transpose_b;
  args.accumulate = c.accumulate;
  args.bias = c.bias ? bias.data() : nullptr;
  const auto result = [&](const auto& product) {
    std::vector<float> to = before;
    // Where C is not added to, what is in it must not matter.
    if (!c.accumulate && !c.in_place) to.assign(to.size(), std::numeric_limits<float>::quiet_NaN());
    args.c = to.data();
    if (c.residual) args.residual = c.in_place ? to.data() : residual.data();
    product();
    return to;
  };
  const std::vector<float> expected = result([&] { reference::MatMul(args, c.precision); });
  Context context(c.threads, Mode::kTraining, c.precision);
  double worst = 0.0;
  const auto compare = [&](const auto& product) { worst = std::max(worst, MaxDifference(expected, result(product))); };
  // All ways to compute it, of which this CPU's MatMul takes one.
  const bool product = c.m * c.n * c.k > 0 && !(c.accumulate && c.residual);
  const bool either = product && c.precision == Precision::kF32;
  if (product && (either || HasFastBf16())) compare([&] { LibraryMatMul(context, args, c.precision); });
  ForEachTarget([&] {
    compare([&] { MatMul(context, args); });
    if (either) compare([&] { BlockMatMul(context, args); });
  });
  return worst;
}

TEST(MatMul, MatchesTheReferenceOnOddShapes) {
  // Beyond 128 rows the library's are padded: of A and C, and of both operands where A is transposed.
  const int64_t shapes[][3] = {{1, 1, 1},     {1, 768, 512},  {3, 5, 7},       {7, 100, 33},   {64, 64, 64},
                               {50, 96, 257}, {121, 50, 800}, {130, 31, 1600}, {257, 129, 385}};
  for (const auto& s : shapes) {
    for (int bits = 0; bits < 8; ++bits) {
      const Case c{.m = s[0],
                   .n = s[1],
                   .k = s[2],
                   .transpose_a = (bits & 1) != 0,
                   .transpose_b = (bits & 2) != 0,
                   .threads = (bits & 4) != 0 ? 2 : 1};
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << s[0] << " x " << s[1] << " x " << s[2] << ": " << bits;
    }
  }
}

TEST(MatMul, WhatIsAdded) {
  for (const int64_t k : {0, 40, 500}) {
    for (int bits = 0; bits < 32; ++bits) {
      const Case c{.m = 133,
                   .n = 36,
                   .k = k,
                   .transpose_a = (bits & 16) != 0,
                   .transpose_b = (bits & 16) == 0,
                   .accumulate = (bits & 1) != 0,
                   .bias = (bits & 2) != 0,
                   .residual = (bits & 4) != 0,
                   .in_place = (bits & 8) != 0,
                   .threads = 2};
      if (c.in_place && (c.accumulate || !c.residual)) continue;
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << k << ": " << bits;
    }
  }
}

TEST(MatMul, NothingToDo) {
  EXPECT_EQ(DifferenceFromReference({.m = 0, .n = 5, .k = 3}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.m = 5, .n = 0, .k = 3}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.m = 5, .n = 4, .k = 0}), 0.0);
  EXPECT_EQ(DifferenceFromReference({.m = 5, .n = 4, .k = 0, .accumulate = true}), 0.0);
}

// The two products of a gradient are the derivatives of the forward one: y = x W^T.
TEST(MatMul, GradientsAreTheDerivatives) {
  constexpr int64_t kM = 4, kN = 5, kK = 3;
  const std::vector<float> x = Random(kM * kK, 1), w = Random(kN * kK, 2), dy = Random(kM * kN, 3);
  const auto forward = [&](const std::vector<float>& rows, const std::vector<float>& weights) {
    std::vector<float> y(kM * kN);
    reference::MatMul(
        {.m = kM, .n = kN, .k = kK, .a = rows.data(), .b = weights.data(), .transpose_b = true, .c = y.data()});
    return y;
  };
  std::vector<float> dx(x.size()), dw(w.size());
  Context context(2);
  MatMul(context, {.m = kM, .n = kK, .k = kN, .a = dy.data(), .b = w.data(), .c = dx.data()});
  MatMul(context, {.m = kN, .n = kK, .k = kM, .a = dy.data(), .transpose_a = true, .b = x.data(), .c = dw.data()});
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(dx[i], NumericDerivative(x, i, dy, [&](const auto& rows) { return forward(rows, w); }), 1e-4);
  }
  for (size_t i = 0; i < w.size(); ++i) {
    EXPECT_NEAR(dw[i], NumericDerivative(w, i, dy, [&](const auto& weights) { return forward(x, weights); }), 1e-4);
  }
}

// By whichever of the ways this CPU has; groups of columns, slices of K and blocks of rows that are not whole.
TEST(MatMul, BF16RoundsTheOperandsAndSumsInF32) {
  const int64_t shapes[][3] = {{67, 50, 300}, {33, 96, 71}, {500, 160, 900}};
  for (const auto& s : shapes) {
    for (int bits = 0; bits < 8; ++bits) {
      const Case c{.m = s[0],
                   .n = s[1],
                   .k = s[2],
                   .transpose_a = (bits & 1) != 0,
                   .transpose_b = (bits & 2) != 0,
                   .accumulate = bits % 4 == 1,
                   .bias = true,
                   .residual = bits % 4 == 2,
                   .threads = (bits & 4) != 0 ? 2 : 1,
                   .precision = Precision::kBF16};
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << s[0] << " x " << s[1] << " x " << s[2] << ": " << bits;
    }
  }
}

TEST(MatMul, BitEqualFromRunToRun) {
  constexpr int64_t kM = 300, kN = 200, kK = 500;
  const std::vector<float> a = Random(kM * kK, 1), b = Random(kN * kK, 2);
  for (const int threads : {1, 2, 3}) {
    std::vector<float> first(kM * kN), again(kM * kN);
    for (std::vector<float>* c : {&first, &again}) {
      Context context(threads);
      MatMul(context, {.m = kM, .n = kN, .k = kK, .a = a.data(), .transpose_a = true, .b = b.data(), .c = c->data()});
    }
    EXPECT_EQ(first, again);
  }
}

TEST(MatMul, TheLibraryHasNoReferenceImplementationForIt) {
  const std::vector<float> a = Random(150 * 64, 1), b = Random(150 * 64, 2);
  std::vector<float> c(150 * 150);
  Context context(2);
  const MatMulArgs forward{.m = 150, .n = 150, .k = 64, .a = a.data(), .b = b.data(), .transpose_b = true};
  const MatMulArgs dx{.m = 150, .n = 64, .k = 64, .a = a.data(), .b = b.data()};
  const MatMulArgs dw{.m = 64, .n = 64, .k = 150, .a = a.data(), .transpose_a = true, .b = b.data()};
  for (MatMulArgs args : {forward, dx, dw}) {
    args.c = c.data();
    for (const bool accumulate : {false, true}) {
      args.accumulate = accumulate;
      LibraryMatMul(context, args, Precision::kF32);
      if (HasFastBf16()) LibraryMatMul(context, args, Precision::kBF16);
    }
  }
  for (const std::string& name : ImplementationsInUse()) EXPECT_FALSE(name.starts_with("ref")) << name;
}

TEST(AddColumnSums, MatchesTheReferenceAtAnyThreadCount) {
  ForEachTarget([] {
    for (const int64_t m : {0, 1, 5, 32, 100, 1601}) {
      for (const int64_t n : {1, 3, 16, 77, 768}) {
        const std::vector<float> x = Random(m * n, 1), before = Random(n, 2);
        std::vector<float> expected = before, single = before, team = before;
        reference::AddColumnSums(x.data(), m, n, expected.data());
        Context one, three(3);
        AddColumnSums(one, x.data(), m, n, single.data());
        AddColumnSums(three, x.data(), m, n, team.data());
        EXPECT_LT(MaxDifference(expected, single), 1e-4) << m << " x " << n;
        EXPECT_EQ(single, team);
      }
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
