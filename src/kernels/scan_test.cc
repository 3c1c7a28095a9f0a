#include "kernels/scan.h"

#include <algorithm>
#include <limits>

#include "core/half.h"
#include "kernels/convert.h"
#include "kernels/test_util.h"

namespace diptych::kernels {
namespace {

std::vector<uint16_t> RandomHalves(int64_t n, uint32_t seed) {
  const std::vector<float> values = Random(n, seed);
  std::vector<uint16_t> halves(values.size());
  FromFloat(values.data(), n, DType::kF16, halves.data());
  return halves;
}

double NaiveDot(const uint16_t* row, const float* query, int64_t e) {
  double sum = 0;
  for (int64_t i = 0; i < e; ++i) sum += static_cast<double>(HalfToFloat(row[i])) * static_cast<double>(query[i]);
  return sum;
}

TEST(Scan, HalvesAgreeWithALoop) {
  ForEachTarget([] {
    for (const int64_t e : {1, 7, 16, 33, 64, 384, 517}) {
      const int64_t n = 19, stride = e + 3;
      const std::vector<uint16_t> rows = RandomHalves(n * stride, 1);
      const std::vector<float> query = Random(e, 2);
      std::vector<float> scores(static_cast<size_t>(n));
      ScoreHalves(rows.data(), n, stride, e, query.data(), scores.data());
      const std::vector<uint32_t> which = {18, 0, 3, 3, 11, 7, 1};
      std::vector<float> listed(which.size());
      ScoreHalvesAt(rows.data(), which.data(), 7, stride, e, query.data(), listed.data());
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(scores[static_cast<size_t>(i)], NaiveDot(rows.data() + i * stride, query.data(), e), 1e-4) << e;
      }
      for (size_t i = 0; i < which.size(); ++i) EXPECT_EQ(listed[i], scores[which[i]]);
    }
  });
}

TEST(Scan, NoRowsAreNoWork) {
  ForEachTarget([] {
    ScoreHalves(nullptr, 0, 8, 8, nullptr, nullptr);
    ScoreHalvesAt(nullptr, nullptr, 0, 8, 8, nullptr, nullptr);
    ScoreSketches(nullptr, 0, 8, {}, nullptr);
    EXPECT_EQ(SelectAbove(nullptr, 0, 0, 0, nullptr), 0u);
  });
}

TEST(Scan, SketchesAgreeWithALoop) {
  ForEachTarget([] {
    std::mt19937 engine(3);
    for (const int64_t d : {4, 8, 60, 384}) {
      const int64_t blocks = 3, n = blocks * kSketchRows;
      std::vector<uint8_t> codes(static_cast<size_t>(n * d));
      for (uint8_t& code : codes) code = engine() % 16;
      std::vector<SketchGroup> query;  // all groups but some
      const int limit = 32767 / 15 / static_cast<int>(d);
      for (int32_t index = 0; index < d / 4; ++index) {
        if (index % 3 == 1) continue;
        query.push_back({.index = index});
        for (int16_t& q : query.back().weights) {
          q = static_cast<int16_t>(static_cast<int>(engine() % (2 * limit + 1)) - limit);
        }
      }
      std::vector<uint8_t> packed(static_cast<size_t>(blocks * SketchBlockBytes(d)));
      for (int64_t b = 0; b < blocks; ++b) {
        PackSketches(codes.data() + b * kSketchRows * d, d, packed.data() + b * SketchBlockBytes(d));
      }
      std::vector<int16_t> scores(static_cast<size_t>(n));
      ScoreSketches(packed.data(), blocks, d, query, scores.data());
      for (int64_t i = 0; i < n; ++i) {
        int expected = 0;
        for (const SketchGroup& group : query) {
          for (size_t j = 0; j < 4; ++j) {
            expected += codes[static_cast<size_t>(i * d + 4 * group.index) + j] * group.weights[j];
          }
        }
        ASSERT_EQ(scores[static_cast<size_t>(i)], expected) << d << " " << i;
      }
    }
  });
}

TEST(Scan, SelectFindsWhatIsAbove) {
  ForEachTarget([] {
    std::mt19937 engine(4);
    for (const int64_t n : {1, 31, 32, 100, 1003}) {
      std::vector<int16_t> scores(static_cast<size_t>(n));
      for (int16_t& s : scores) s = static_cast<int16_t>(engine());
      for (const int16_t threshold :
           {std::numeric_limits<int16_t>::min(), int16_t{0}, int16_t{30000}, std::numeric_limits<int16_t>::max()}) {
        std::vector<uint32_t> found(static_cast<size_t>(n)), expected;
        for (size_t i = 0; i < scores.size(); ++i) {
          if (scores[i] > threshold) expected.push_back(static_cast<uint32_t>(i) + 7);
        }
        found.resize(SelectAbove(scores.data(), n, threshold, 7, found.data()));
        EXPECT_EQ(found, expected);
      }
    }
  });
}

}  // namespace
}  // namespace diptych::kernels
