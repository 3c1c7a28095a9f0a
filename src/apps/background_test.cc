#include "apps/background.h"

#include <gtest/gtest.h>

#include <vector>

namespace diptych {
namespace {

// Cosines are the first coordinates: the picture is (1, 0).
std::vector<float> Rows(const std::vector<float>& cosines) {
  std::vector<float> rows;
  for (const float c : cosines) rows.insert(rows.end(), {c, 0.0f});
  return rows;
}

TEST(Background, TheChanceOfTheBestOfMDraws) {
  const std::vector<float> picture{1.0f, 0.0f}, background = Rows({0.1f, 0.3f, 0.1f, 0.3f});  // mean 0.2, deviation 0.1
  // Phi(0)^4, Phi(1)^4, Phi(3)^4.
  EXPECT_NEAR(InListProbability(Rows({0.2f}), background, picture), 0.0625, 1e-5);
  EXPECT_NEAR(InListProbability(Rows({-0.5f, 0.3f}), background, picture), 0.501067, 1e-5);
  EXPECT_NEAR(InListProbability(Rows({0.5f, 0.0f}), background, picture), 0.994611, 1e-4);
}

TEST(Background, ABackgroundWithoutSpreadDividesByNothing) {
  const std::vector<float> picture{1.0f, 0.0f}, background = Rows({0.2f, 0.2f});
  EXPECT_NEAR(InListProbability(Rows({0.9f}), background, picture), 1.0, 1e-6);
  EXPECT_NEAR(InListProbability(Rows({0.1f}), background, picture), 0.0, 1e-6);
}

}  // namespace
}  // namespace diptych
