#include "kernels/pool.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/convert.h"
#include "kernels/parallel.h"

// All of these move each value once: memory bounds them, and the compiler's own vectors are enough.
namespace diptych::kernels {
namespace {

// y (width) = mean of `rows` rows of x.
void MeanOfRows(const float* x, int64_t rows, int64_t width, float* y) {
  CHECK_GT(rows, 0);
  std::copy_n(x, width, y);
  for (int64_t row = 1; row < rows; ++row) Add(x + row * width, width, y);
  const float scale = 1.0f / static_cast<float>(rows);
  for (int64_t i = 0; i < width; ++i) y[i] *= scale;
}

}  // namespace

void GlobalAveragePool(Context& context, const float* x, int64_t b, int64_t pixels, int64_t c, float* y) {
  ParallelFor(context, b, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) MeanOfRows(x + i * pixels * c, pixels, c, y + i * c);
  });
}

void MeanPool(Context&, const float* x, std::span<const int32_t> lengths, int64_t d, float* y) {
  for (const int32_t length : lengths) {
    MeanOfRows(x, length, d, y);
    x += length * d;
    y += d;
  }
}

void AveragePool(Context& context, const float* x, const MapShape& shape, int k, float* y) {
  const int out_h = shape.h / k, out_w = shape.w / k;
  const float scale = 1.0f / static_cast<float>(k * k);
  ParallelFor(context, shape.b * out_h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / out_h, first = row % out_h * k;
      for (int column = 0; column < out_w; ++column) {
        float* out = y + (row * out_w + column) * shape.c;
        std::fill_n(out, shape.c, 0.0f);
        for (int i = 0; i < k; ++i) {
          const float* in = x + ((image * shape.h + first + i) * shape.w + int64_t{column} * k) * shape.c;
          for (int j = 0; j < k; ++j, in += shape.c) Add(in, shape.c, out);
        }
        for (int channel = 0; channel < shape.c; ++channel) out[channel] *= scale;
      }
    }
  });
}

void GlobalAveragePoolBackward(Context& context, const float* dy, int64_t b, int64_t pixels, int64_t c, float* dx) {
  const float scale = 1.0f / static_cast<float>(pixels);
  ParallelFor(context, b * pixels, std::max<int64_t>(1, 16384 / c), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* in = dy + row / pixels * c;
      for (int64_t i = 0; i < c; ++i) dx[row * c + i] = in[i] * scale;
    }
  });
}

void AveragePoolBackward(Context& context, const float* dy, const MapShape& shape, int k, float* dx) {
  const int out_h = shape.h / k, out_w = shape.w / k;
  const float scale = 1.0f / static_cast<float>(k * k);
  ParallelFor(context, shape.b * shape.h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / shape.h, out_row = row % shape.h / k;
      float* out = dx + row * shape.w * shape.c;
      const int covered = out_row < out_h ? out_w * k : 0;  // columns inside of windows
      for (int column = 0; column < covered; ++column, out += shape.c) {
        const float* in = dy + ((image * out_h + out_row) * out_w + column / k) * shape.c;
        for (int channel = 0; channel < shape.c; ++channel) out[channel] = in[channel] * scale;
      }
      std::fill_n(out, int64_t{shape.w - covered} * shape.c, 0.0f);
    }
  });
}

void GatherRows(TensorView table, std::span<const int32_t> ids, float* y) {
  CHECK_EQ(table.shape().rank(), 2);
  const int64_t rows = table.shape()[0], d = table.shape()[1];
  const size_t row_bytes = static_cast<size_t>(d) * SizeOf(table.dtype());
  const auto* bytes = static_cast<const uint8_t*>(table.raw());
  for (const int32_t id : ids) {
    CHECK(id >= 0 && id < rows) << " id " << id << " of a table of shape " << table.shape();
    ToFloat(TensorView(bytes + static_cast<size_t>(id) * row_bytes, table.dtype(), {d}), y);
    y += d;
  }
}

void ScatterAddRows(std::span<const int32_t> ids, const float* dy, int64_t d, float* dtable) {
  for (const int32_t id : ids) {
    CHECK_GE(id, 0);
    Add(dy, d, dtable + id * d);
    dy += d;
  }
}

void MeanPoolBackward(const float* dy, std::span<const int32_t> lengths, int64_t d, float* dx) {
  for (const int32_t length : lengths) {
    CHECK_GT(length, 0);
    const float scale = 1.0f / static_cast<float>(length);
    for (int32_t row = 0; row < length; ++row, dx += d) {
      for (int64_t i = 0; i < d; ++i) dx[i] = dy[i] * scale;
    }
    dy += d;
  }
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void ChannelsLast(Context& context, const float* x, const MapShape& shape, float* y) {
  const int64_t plane = int64_t{shape.h} * shape.w;
  ParallelFor(context, shape.b * shape.h, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* in = x + row / shape.h * shape.c * plane + row % shape.h * shape.w;
      float* out = y + row * shape.w * shape.c;
      for (int c = 0; c < shape.c; ++c) {
        for (int column = 0; column < shape.w; ++column) out[column * shape.c + c] = in[c * plane + column];
      }
    }
  });
}

void ExtractPatches(Context& context, const float* x, int64_t b, int c, int s, int p, float* y) {
  CHECK(p > 0 && p <= s) << " patch " << p << ", side " << s;
  const int64_t g = s / p, plane = int64_t{s} * s;
  ParallelFor(context, b * g, 1, [&](int64_t begin, int64_t end) {  // rows of patches
    for (int64_t i = begin; i < end; ++i) {
      float* out = y + i * g * c * p * p;
      for (int64_t column = 0; column < g; ++column) {
        const float* in = x + i / g * c * plane + i % g * p * s + column * p;
        for (int channel = 0; channel < c; ++channel) {
          for (int row = 0; row < p; ++row, out += p)
            std::memcpy(out, in + channel * plane + row * s, p * sizeof(float));
        }
      }
    }
  });
}

}  // namespace diptych::kernels
