#include "core/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <utility>

namespace diptych {
namespace {

TEST(Shape, CountsAndIndexes) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.NumElements(), 24);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[-1], 4);
  EXPECT_EQ(shape.ToString(), "(2, 3, 4)");
  EXPECT_EQ(shape, (Shape{2, 3, 4}));
  EXPECT_NE(shape, (Shape{2, 3}));
  EXPECT_NE(shape, (Shape{2, 3, 4, 1}));
}

TEST(Shape, ScalarHasOneElementAndAZeroDimensionNone) {
  EXPECT_EQ(Shape().NumElements(), 1);
  EXPECT_EQ(Shape().ToString(), "()");
  EXPECT_EQ((Shape{3, 0, 5}).NumElements(), 0);
}

TEST(ShapeDeathTest, RefusesWhatCannotBe) {
  EXPECT_DEATH((Shape{1, 2, 3, 4, 5, 6}), "kMaxRank");
  EXPECT_DEATH((Shape{-1}), "-1 vs 0");
  EXPECT_DEATH((void)(Shape{2, 3})[2], "dimension 2 of \\(2, 3\\)");
  EXPECT_DEATH((void)(Shape{2, 3})[-3], "dimension");
  EXPECT_DEATH((void)(Shape{int64_t{1} << 40, int64_t{1} << 40}).NumElements(), "CHECK failed");
  EXPECT_DEATH((void)TensorView(nullptr, DType::kF64, {int64_t{1} << 61}).SizeBytes(), "CHECK failed");
}

TEST(DType, HasASizeAndAName) {
  const std::pair<DType, size_t> sizes[] = {{DType::kF32, 4}, {DType::kF16, 2}, {DType::kBF16, 2}, {DType::kF64, 8},
                                            {DType::kI8, 1},  {DType::kU8, 1},  {DType::kI16, 2},  {DType::kI32, 4},
                                            {DType::kI64, 8}, {DType::kBool, 1}};
  for (const auto& [dtype, size] : sizes) EXPECT_EQ(SizeOf(dtype), size) << dtype;
  std::ostringstream text;
  text << DType::kBF16;
  EXPECT_EQ(text.str(), "bf16");
}

TEST(Tensor, IsZeroFilledAndAligned) {
  const Tensor tensor(DType::kF32, {7, 33});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data<float>()) % 64, 0u);
  EXPECT_EQ(tensor.view().SizeBytes(), 7u * 33 * 4);
  EXPECT_TRUE(std::all_of(tensor.data<float>(), tensor.data<float>() + 7 * 33, [](float x) { return x == 0; }));
}

TEST(Tensor, WithoutElementsStillHasAnAddress) {
  const Tensor tensor(DType::kF32, {0, 4});
  EXPECT_FALSE(tensor.empty());
  EXPECT_NE(tensor.data<float>(), nullptr);
}

TEST(Tensor, MovedFromIsEmpty) {
  Tensor a(DType::kI32, {2});
  a.mutable_data<int32_t>()[1] = 5;
  Tensor b(std::move(a));
  EXPECT_TRUE(a.empty());  // NOLINT: the state after the move is what is tested
  EXPECT_EQ(b.data<int32_t>()[1], 5);
  Tensor c(DType::kF32, {100});
  c = std::move(b);
  EXPECT_TRUE(b.empty());  // NOLINT
  EXPECT_EQ(c.shape(), Shape{2});
  EXPECT_EQ(c.data<int32_t>()[1], 5);
}

TEST(TensorDeathTest, ReadingAsAnotherTypeNamesBoth) {
  const Tensor tensor(DType::kF16, {2});
  EXPECT_DEATH((void)tensor.data<float>(), "fp16 vs fp32");
}

}  // namespace
}  // namespace diptych
