#include "kernels/products/gemm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "core/half.h"
#include "kernels/products/product.h"
#include "kernels/reference.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

// Sums of k products of unit normals, scaled to unit variance: fp32 rounding stays well under this.
constexpr double kTolerance = 2e-5;

struct Case {
  int64_t m, n, k;
  WeightOrder order = WeightOrder::kOutIn;
  bool bias = false, residual = false, in_place = false;
  Activation activation = Activation::kNone;
  int threads = 1;
};

double DifferenceFromReference(const Case& c) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.k));
  const bool out_in = c.order == WeightOrder::kOutIn;
  const std::vector<float> x = Random(c.m * c.k, 1), w = Random(c.n * c.k, 2, scale), b = Random(c.n, 3);
  const std::vector<float> residual = Random(c.m * c.n, 4);
  const TensorView view = View(w, out_in ? Shape{c.n, c.k} : Shape{c.k, c.n});
  Epilogue epilogue{.bias = c.bias ? b.data() : nullptr,
                    .residual = c.residual ? residual.data() : nullptr,
                    .activation = c.activation};
  std::vector<float> expected(static_cast<size_t>(c.m * c.n)), actual(expected.size());
  reference::Linear(x.data(), c.m, view, c.order, epilogue, expected.data());
  const auto start = [&] {
    std::fill(actual.begin(), actual.end(), std::numeric_limits<float>::quiet_NaN());
    if (c.in_place) {
      actual = residual;
      epilogue.residual = actual.data();
    }
  };
  // Both ways to compute it, of which this CPU's Linear takes one.
  Context context(c.threads);
  double worst = 0.0;
  const auto run = [&](Product product) {
    const PackedWeight packed = PackProduct(w.data(), c.n, c.k, c.order, product);
    start();
    RunProduct(context, x.data(), c.m, packed, epilogue, actual.data());
    worst = std::max(worst, MaxDifference(expected, actual));
  };
  run(Product::kLibrary);
  ForEachTarget([&] { run(Product::kBlocks); });
  return worst;
}

TEST(Linear, MatchesTheReferenceOnOddShapes) {
  const int64_t shapes[][3] = {{1, 1, 1},    {1, 768, 512}, {3, 5, 7},     {7, 100, 33},
                               {64, 64, 64}, {50, 96, 257}, {121, 50, 800}};
  for (const auto& s : shapes) {
    for (const WeightOrder order : {WeightOrder::kOutIn, WeightOrder::kInOut}) {
      for (const int threads : {1, 2}) {
        const Case c{.m = s[0], .n = s[1], .k = s[2], .order = order, .bias = true, .threads = threads};
        EXPECT_LT(DifferenceFromReference(c), kTolerance) << s[0] << " x " << s[1] << " x " << s[2];
      }
    }
  }
}

TEST(Linear, RowCountsOfAllPieces) {
  for (const int64_t m : {2, 8, 35, 63, 65, 127, 128, 129, 191, 192, 257, 1600, 2048, 2113, 4200}) {
    const Case c{.m = m, .n = 24, .k = 40, .bias = true, .residual = true, .in_place = true};
    EXPECT_LT(DifferenceFromReference(c), kTolerance) << m;
  }
}

TEST(Linear, Epilogues) {
  for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6, Activation::kQuickGelu,
                                Activation::kGelu, Activation::kGeluTanh}) {
    for (int bits = 0; bits < 8; ++bits) {
      const Case c{.m = 133,
                   .n = 48,
                   .k = 72,
                   .bias = (bits & 1) != 0,
                   .residual = (bits & 2) != 0,
                   .in_place = (bits & 4) != 0 && (bits & 2) != 0,
                   .activation = activation};
      EXPECT_LT(DifferenceFromReference(c), kTolerance) << static_cast<int>(activation) << " " << bits;
    }
  }
}

TEST(Linear, HalfPrecisionWeightsOfAnyAlignment) {
  constexpr int64_t kN = 19, kK = 23;
  const std::vector<float> x = Random(kK, 1), w = Random(kN * kK, 2);
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32}) {
    std::vector<float> rounded(w);
    std::vector<uint8_t> bytes(1 + w.size() * SizeOf(dtype));
    for (size_t i = 0; i < w.size(); ++i) {
      const uint16_t half = dtype == DType::kF16 ? FloatToHalf(w[i]) : FloatToBFloat16(w[i]);
      if (dtype == DType::kF16) rounded[i] = HalfToFloat(half);
      if (dtype == DType::kBF16) rounded[i] = BFloat16ToFloat(half);
      const void* source = dtype == DType::kF32 ? static_cast<const void*>(&w[i]) : &half;
      std::memcpy(bytes.data() + 1 + i * SizeOf(dtype), source, SizeOf(dtype));
    }
    std::vector<float> expected(kN), actual(kN);
    reference::Linear(x.data(), 1, View(rounded, {kN, kK}), WeightOrder::kOutIn, {}, expected.data());
    Context context;
    const TensorView odd(bytes.data() + 1, dtype, {kN, kK});
    Linear(context, x.data(), 1, PackLinear(odd, WeightOrder::kOutIn), {}, actual.data());
    EXPECT_LT(MaxDifference(expected, actual), kTolerance) << dtype;
  }
}

TEST(Linear, ARowDoesNotDependOnItsNeighbours) {
  constexpr int64_t kM = 29, kN = 70, kK = 900;
  const std::vector<float> x = Random(kM * kK, 1), w = Random(kN * kK, 2);
  ForEachTarget([&] {
    const PackedWeight packed = PackProduct(w.data(), kN, kK, WeightOrder::kOutIn, Product::kBlocks);
    std::vector<float> together(kM * kN), alone(kM * kN);
    Context team(2), single;
    RunProduct(team, x.data(), kM, packed, {}, together.data());
    for (int64_t i = 0; i < kM; ++i) RunProduct(single, x.data() + i * kK, 1, packed, {}, alone.data() + i * kN);
    EXPECT_EQ(together, alone);
  });
}

TEST(Linear, NoRowsIsNothing) {
  const std::vector<float> w = Random(6, 1);
  Context context;
  Linear(context, nullptr, 0, PackLinear(View(w, {2, 3}), WeightOrder::kOutIn), {}, nullptr);
}

TEST(Linear, OneWeightServesManyThreads) {
  constexpr int64_t kM = 37, kN = 64, kK = 96;
  const std::vector<float> w = Random(kN * kK, 2, 0.1f);
  const PackedWeight packed = PackLinear(View(w, {kN, kK}), WeightOrder::kOutIn);
  std::vector<double> differences(4);
  std::vector<std::thread> workers;
  for (uint32_t id = 0; id < differences.size(); ++id) {
    workers.emplace_back([&, id] {
      const std::vector<float> x = Random(kM * kK, 10 + id);
      std::vector<float> expected(kM * kN), actual(kM * kN);
      reference::Linear(x.data(), kM, View(w, {kN, kK}), WeightOrder::kOutIn, {}, expected.data());
      Context context;
      for (int i = 0; i < 50; ++i) {
        Linear(context, x.data(), kM, packed, {}, actual.data());
        differences[id] = std::max(differences[id], MaxDifference(expected, actual));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (const double difference : differences) EXPECT_LT(difference, kTolerance);
}

}  // namespace
}  // namespace diptych::kernels
