// The arithmetic of matrix products and convolutions.
#ifndef DIPTYCH_CORE_PRECISION_H_
#define DIPTYCH_CORE_PRECISION_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace diptych {

enum class Precision : uint8_t {
  kF32,
  kBF16,  // operands rounded to bf16, sums in fp32: training's mixed precision, with fp32 master weights
  // Of inference, linear layers of image towers alone (else kBF16): u8 rows with a scale each, s8 weights with a scale
  // for each output, sums in s32.
  kInt8,
};

inline constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kBF16, Precision::kInt8};

/// "fp32", "bf16", "int8".
constexpr const char* NameOf(Precision precision) {
  switch (precision) {
    case Precision::kF32: return "fp32";
    case Precision::kBF16: return "bf16";
    case Precision::kInt8: return "int8";
  }
  return "";
}

constexpr std::optional<Precision> PrecisionNamed(std::string_view name) {
  for (const Precision precision : kPrecisions) {
    if (name == NameOf(precision)) return precision;
  }
  return std::nullopt;
}

}  // namespace diptych

#endif  // DIPTYCH_CORE_PRECISION_H_
