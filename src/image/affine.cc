#include "image/affine.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>

#include "core/check.h"

namespace diptych {
namespace {

struct Vector {
  double x, y;
};

// Geometry.c's COORD: truncation, and -1 for everything below zero.
int64_t Coordinate(double value) {
  return value < 0.0 ? -1 : static_cast<int64_t>(value);
}

void CopyPixel(const Image& image, int64_t x, int64_t y, uint8_t* out) {
  if (x < 0 || x >= image.width || y < 0 || y >= image.height) return;
  std::memcpy(out, &image.pixels[3 * (y * image.width + x)], 3);
}

// ImagingScaleAffine: axes stay axes. Coordinates add up, as they do there.
void Scale(const Image& image, const AffineMatrix& m, Image& result) {
  uint8_t* out = result.pixels.data();
  double y_in = m[5] + m[4] * 0.5;
  for (int y = 0; y < image.height; ++y, y_in += m[4]) {
    double x_in = m[2] + m[0] * 0.5;
    for (int x = 0; x < image.width; ++x, x_in += m[0], out += 3) {
      CopyPixel(image, Coordinate(x_in), Coordinate(y_in), out);
    }
  }
}

// affine_fixed: 16.16 fixed point. Sums in 64 bits do not overflow where its own do not.
void Fixed(const Image& image, const AffineMatrix& m, Image& result) {
  const auto fix = [](double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); };
  const int64_t a0 = fix(m[0]), a1 = fix(m[1]), a3 = fix(m[3]), a4 = fix(m[4]);
  int64_t a2 = fix(m[2] + m[0] * 0.5 + m[1] * 0.5), a5 = fix(m[5] + m[3] * 0.5 + m[4] * 0.5);
  uint8_t* out = result.pixels.data();
  for (int y = 0; y < image.height; ++y, a2 += a1, a5 += a4) {
    int64_t x_in = a2, y_in = a5;
    for (int x = 0; x < image.width; ++x, x_in += a0, y_in += a3, out += 3) {
      CopyPixel(image, x_in >> 16, y_in >> 16, out);
    }
  }
}

// Pillow's loop for pictures that 16.16 does not reach across.
void Floating(const Image& image, const AffineMatrix& m, Image& result) {
  double x_row = m[2] + m[1] * 0.5 + m[0] * 0.5, y_row = m[5] + m[4] * 0.5 + m[3] * 0.5;
  uint8_t* out = result.pixels.data();
  for (int y = 0; y < image.height; ++y, x_row += m[1], y_row += m[4]) {
    double x_in = x_row, y_in = y_row;
    for (int x = 0; x < image.width; ++x, x_in += m[0], y_in += m[3], out += 3) {
      CopyPixel(image, Coordinate(x_in), Coordinate(y_in), out);
    }
  }
}

bool FitsFixed(const AffineMatrix& m, double x, double y) {
  return std::abs(x * m[0] + y * m[1] + m[2]) < 32768.0 && std::abs(x * m[3] + y * m[4] + m[5]) < 32768.0;
}

double Radians(double degrees) {
  return degrees * (std::numbers::pi / 180);
}

// torchvision's _get_inverse_affine_matrix without rotation and scale. Shear in radians.
AffineMatrix InverseAffine(Vector center, Vector translation, Vector shear) {
  const double a = std::cos(-shear.y) / std::cos(shear.y);
  const double b = -std::cos(-shear.y) * std::tan(shear.x) / std::cos(shear.y);
  const double c = std::sin(-shear.y) / std::cos(shear.y);
  const double d = -std::sin(-shear.y) * std::tan(shear.x) / std::cos(shear.y) + 1.0;
  AffineMatrix m = {d, -b, 0, -c, a, 0};
  m[2] += m[0] * (-center.x - translation.x) + m[1] * (-center.y - translation.y) + center.x;
  m[5] += m[3] * (-center.x - translation.x) + m[4] * (-center.y - translation.y) + center.y;
  return m;
}

// degrees(atan(x)) and back, as RandAugment goes: it decides the last bit.
double ShearAngle(double amount) {
  return Radians(std::atan(amount) * (180 / std::numbers::pi));
}

// Python's round(value, 15) of a sine or cosine.
double Round15(double value) {
  return std::nearbyint(value * 1e15) / 1e15;
}

}  // namespace

Image TransformNearest(const Image& image, const AffineMatrix& matrix) {
  CHECK(image.mode == PixelMode::kRgb);
  Image result;
  result.width = image.width;
  result.height = image.height;
  result.pixels.resize(image.pixels.size());
  const double w = image.width, h = image.height;
  if (matrix[1] == 0 && matrix[3] == 0) {
    Scale(image, matrix, result);
  } else if (FitsFixed(matrix, 0, 0) && FitsFixed(matrix, w, h) && FitsFixed(matrix, 0, h) && FitsFixed(matrix, w, 0)) {
    Fixed(image, matrix, result);
  } else {
    Floating(image, matrix, result);
  }
  return result;
}

AffineMatrix ShearXMatrix(double amount) {
  return InverseAffine({0, 0}, {0, 0}, {ShearAngle(amount), 0});
}

AffineMatrix ShearYMatrix(double amount) {
  return InverseAffine({0, 0}, {0, 0}, {0, ShearAngle(amount)});
}

AffineMatrix TranslationMatrix(const Image& image, int x, int y) {
  return InverseAffine({image.width * 0.5, image.height * 0.5}, {1.0 * x, 1.0 * y}, {0, 0});
}

AffineMatrix RotationMatrix(const Image& image, double degrees) {
  degrees = std::fmod(degrees, 360.0);
  if (degrees < 0) degrees += 360.0;  // Python's % 360
  const double angle = -Radians(degrees);
  const double cosine = Round15(std::cos(angle)), sine = Round15(std::sin(angle));
  const double x = image.width / 2.0, y = image.height / 2.0;
  return {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y};
}

}  // namespace diptych
