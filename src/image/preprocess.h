// A decoded picture -> the numbers that an image tower sees.
#ifndef DIPTYCH_IMAGE_PREPROCESS_H_
#define DIPTYCH_IMAGE_PREPROCESS_H_

#include <array>
#include <cstdint>
#include <string>

#include "image/decode.h"
#include "image/resize.h"
#include "kernels/resample.h"

namespace diptych {

enum class ResizeMode : uint8_t {
  kShortest,  // shortest edge to the size, then centre crop
  kLongest,   // longest edge to the size, then padded with fill_color (open_clip)
  kSquash,    // straight to (S, S)
};

/// Who resizes, which side a centre crop loses the odd pixel on, and when RGB conversion happens.
enum class PixelReference : uint8_t {
  kTorchvision,    // OpenAI, open_clip: Pillow; crop offset rounds half to even; RGB conversion after resize and crop
  kHuggingFace,    // transformers' Pillow processors: offset rounds down; RGB conversion first
  kTransformers5,  // transformers 5's default, on tensors: PyTorch resizes; as kHuggingFace but for bars, rounded down
};

struct PreprocessConfig {
  int size = 224;  // what the resize aims at
  int crop = 224;  // S, the side of what the tower sees; equals size nearly always
  ResizeMode mode = ResizeMode::kShortest;
  kernels::Filter filter = kernels::Filter::kBicubic;
  PixelReference reference = PixelReference::kTorchvision;
  AlphaPolicy alpha = AlphaPolicy::kDrop;
  std::array<float, 3> mean{0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> std{0.26862954f, 0.26130258f, 0.27577711f};
  uint8_t fill_color = 0;  // of the bars that kLongest pads with
};

/// The 8-bit stage: resized, cropped, RGB, exactly (S, S, 3).
Image PreprocessToRgb8(const Image& image, const PreprocessConfig& config);

/// The last stage: rgb (S, S, 3) -> pixels (3, S, S) fp32, (x / 255 - mean) / std in the reference's order of
/// operations.
void Normalize(const Image& rgb, const PreprocessConfig& config, float* pixels);

/// The whole: pixels (3, S, S) fp32.
void Preprocess(const Image& image, const PreprocessConfig& config, float* pixels);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_PREPROCESS_H_
