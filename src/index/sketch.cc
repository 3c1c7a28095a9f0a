#include "index/sketch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>

#include "core/content_hash.h"
#include "core/output_file.h"
#include "index/principal.h"
#include "kernels/convert.h"
#include "kernels/parallel.h"
#include "kernels/products/matmul.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

constexpr std::string_view kMagic("DIPTYCHS", 8);
constexpr uint32_t kVersion = 2;
constexpr int64_t kSamples = 20000;  // vectors that the components are found from
constexpr float kDeviations = 2.5f;  // what lies further out takes the last step
constexpr int kLevels = 16;
constexpr int64_t kRowsAtOnce = 16 * kernels::kSketchRows;
// What a query reads: of the variance of its scores this share at least, and this many groups. The nearest ten of a
// million lie some 1.6 deviations above the last of the 4,000 rows that are picked, which errors of 0.3 deviations
// leave alone; but where few coordinates make most of the variance, near rows differ by the others.
constexpr double kCovered = 0.92;
constexpr size_t kFewestGroups = 32;

struct Header {
  char magic[8];
  uint32_t version, dims;
  uint64_t e, rows;
  uint64_t head_checksum;   // of the basis
  uint64_t block_checksum;  // of the blocks
  uint64_t checksum;        // of all before it
};

ByteSpan Bytes(const void* data, size_t size) {
  return {static_cast<const uint8_t*>(data), size};
}

size_t BasisBytes(uint64_t dims, uint64_t e) {
  return static_cast<size_t>(dims * e * sizeof(float) + 63) / 64 * 64;
}

uint64_t BlocksOf(uint64_t rows) {
  return (rows + kernels::kSketchRows - 1) / kernels::kSketchRows;
}

// Rows of a mapping in fp32, the pages given back.
void ReadRows(const VectorMapping& vectors, int64_t begin, int64_t n, float* rows) {
  const uint16_t* halves = vectors.data() + begin * vectors.e();
  kernels::ToFloat(TensorView(halves, DType::kF16, Shape{n, vectors.e()}), rows);
}

// Chains the checksums of pieces, so that blocks need not be held in memory.
uint64_t Chain(uint64_t checksum, ByteSpan piece) {
  const uint64_t both[2] = {checksum, Checksum64(piece)};
  return Checksum64(Bytes(both, sizeof both));
}

// coordinates (rows, D'), in steps -> codes (rows, D): D' values and zeros.
void EncodeRows(std::span<const float> coordinates, std::span<const float> offset, int64_t d, uint8_t* codes) {
  for (size_t i = 0; i < coordinates.size(); i += offset.size(), codes += d) {
    for (size_t j = 0; j < offset.size(); ++j) {
      const float level = std::clamp(std::nearbyint(coordinates[i + j] + offset[j]), 0.0f, float{kLevels - 1});
      codes[j] = static_cast<uint8_t>(level);
    }
  }
}

}  // namespace

Status Sketch::Build(Context& context, const VectorMapping& vectors, const std::string& path) {
  const int64_t e = vectors.e(), n = vectors.rows();
  CHECK_GE(n, 1);
  const int64_t dims = std::min(kMaxDims, (e + 3) / 4 * 4), used = std::min(dims, e);
  const int64_t samples = std::min(n, kSamples);
  std::vector<float> rows(static_cast<size_t>(samples * e));
  for (int64_t i = 0; i < samples; ++i) ReadRows(vectors, i * n / samples, 1, rows.data() + i * e);
  Context alone(1);  // a team sums in an order of its own
  const PrincipalComponents principal = FindPrincipalComponents(alone, rows, e, used);

  // code = (x - mean) · direction / step + middle, so the basis times its step turns codes back into a product.
  std::vector<float> basis(BasisBytes(static_cast<uint64_t>(dims), static_cast<uint64_t>(e)) / sizeof(float));
  std::vector<float> inverse(static_cast<size_t>(used * e)), offset(static_cast<size_t>(used));
  for (int64_t j = 0; j < used; ++j) {
    const float step = 2 * kDeviations * principal.deviation[static_cast<size_t>(j)] / (kLevels - 1);
    double mean = 0;
    for (int64_t k = 0; k < e; ++k) {
      const size_t at = static_cast<size_t>(j * e + k);
      basis[at] = principal.basis[at] * step;
      inverse[at] = step > 0 ? principal.basis[at] / step : 0;
      mean += static_cast<double>(inverse[at]) * static_cast<double>(principal.mean[static_cast<size_t>(k)]);
    }
    offset[static_cast<size_t>(j)] = static_cast<float>((kLevels - 1) / 2.0 - mean);
  }

  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  Header header{};
  const auto text = [](const void* data, size_t size) {
    return std::string_view(static_cast<const char*>(data), size);
  };
  RETURN_IF_ERROR(file.Write(text(&header, sizeof header)));
  RETURN_IF_ERROR(file.Write(std::string(64 - sizeof header, '\0')));
  RETURN_IF_ERROR(file.Write(text(basis.data(), basis.size() * sizeof(float))));
  const size_t block_bytes = static_cast<size_t>(kernels::SketchBlockBytes(dims));
  rows.resize(static_cast<size_t>(kRowsAtOnce * e));
  std::vector<uint8_t> blocks;
  for (int64_t begin = 0; begin < n; begin += kRowsAtOnce) {
    const int64_t some = std::min(kRowsAtOnce, n - begin);
    ReadRows(vectors, begin, some, rows.data());
    const auto count = static_cast<int64_t>(BlocksOf(static_cast<uint64_t>(some)));
    blocks.resize(static_cast<size_t>(count) * block_bytes);
    kernels::ParallelFor(context, count, 1, [&](int64_t i, int64_t end) {
      Context own(1);
      for (; i < end; ++i) {
        const int64_t first = i * kernels::kSketchRows, filled = std::min(kernels::kSketchRows, some - first);
        std::vector<float> coordinates(static_cast<size_t>(filled * used));
        kernels::MatMul(own, {.m = filled,
                              .n = used,
                              .k = e,
                              .a = rows.data() + first * e,
                              .b = inverse.data(),
                              .transpose_b = true,
                              .c = coordinates.data()});
        std::vector<uint8_t> codes(static_cast<size_t>(kernels::kSketchRows * dims));  // zeros behind the last row
        EncodeRows(coordinates, offset, dims, codes.data());
        kernels::PackSketches(codes.data(), dims, blocks.data() + static_cast<size_t>(i) * block_bytes);
      }
    });
    header.block_checksum = Chain(header.block_checksum, blocks);
    RETURN_IF_ERROR(file.Write(text(blocks.data(), blocks.size())));
  }
  std::memcpy(header.magic, kMagic.data(), sizeof header.magic);
  header.version = kVersion;
  header.dims = static_cast<uint32_t>(dims);
  header.e = static_cast<uint64_t>(e);
  header.rows = static_cast<uint64_t>(n);
  header.head_checksum = Checksum64(Bytes(basis.data(), basis.size() * sizeof(float)));
  header.checksum = Checksum64(Bytes(&header, offsetof(Header, checksum)));
  RETURN_IF_ERROR(file.Rewrite(0, text(&header, sizeof header)));
  return file.Commit();
}

Result<Sketch> Sketch::Open(const std::string& path, const VectorMapping& vectors) {
  Sketch sketch;
  ASSIGN_OR_RETURN(sketch.file_, MappedFile::Open(path));
  const ByteSpan bytes = sketch.file_->bytes();
  Header header;
  static_assert(sizeof header <= 64);
  const Status damaged = Corrupt(path, "is not a whole file of sketches", "it is made anew by index or store gc");
  if (bytes.size() < 64) return damaged;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::string_view(header.magic, 8) != kMagic || header.version != kVersion ||
      header.checksum != Checksum64(Bytes(&header, offsetof(Header, checksum))) ||
      header.e != static_cast<uint64_t>(vectors.e()) || header.rows > static_cast<uint64_t>(vectors.rows()) ||
      header.dims < 4 || header.dims > kMaxDims || header.dims % 4 != 0) {
    return damaged;
  }
  const size_t basis_bytes = BasisBytes(header.dims, header.e);
  const size_t block_bytes =
      static_cast<size_t>(BlocksOf(header.rows)) * static_cast<size_t>(kernels::SketchBlockBytes(header.dims));
  if (bytes.size() != 64 + basis_bytes + block_bytes) return damaged;
  if (Checksum64(bytes.subspan(64, basis_bytes)) != header.head_checksum) return damaged;
  sketch.rows_ = static_cast<int64_t>(header.rows);
  sketch.dims_ = header.dims;
  sketch.e_ = vectors.e();
  sketch.basis_ = reinterpret_cast<const float*>(bytes.data() + 64);
  sketch.blocks_ = bytes.data() + 64 + basis_bytes;
  return sketch;
}

std::vector<kernels::SketchGroup> Sketch::Project(std::span<const float> query) const {
  // Codes vary alike in all dimensions (their steps are a third of a deviation), so that the square of a weight is the
  // variance that it brings.
  std::vector<double> exact(static_cast<size_t>(dims_)), variance(static_cast<size_t>(dims_ / 4));
  double left = 0;
  for (int64_t j = 0; j < std::min(dims_, e_); ++j) {
    double& value = exact[static_cast<size_t>(j)];
    for (int64_t k = 0; k < e_; ++k) value += static_cast<double>(basis_[j * e_ + k] * query[static_cast<size_t>(k)]);
    variance[static_cast<size_t>(j / 4)] += value * value;
    left += value * value;
  }
  std::vector<int32_t> chosen(variance.size());
  std::iota(chosen.begin(), chosen.end(), 0);
  std::stable_sort(chosen.begin(), chosen.end(), [&](int32_t a, int32_t b) {
    return variance[static_cast<size_t>(a)] > variance[static_cast<size_t>(b)];
  });
  const double may_miss = (1 - kCovered) * left;
  size_t count = 0;
  while (count < chosen.size() && (count < kFewestGroups || left > may_miss)) {
    left -= variance[static_cast<size_t>(chosen[count++])];
  }
  chosen.resize(count);
  std::sort(chosen.begin(), chosen.end());

  double sum = 0;
  for (const int32_t index : chosen) {
    for (size_t j = 0; j < 4; ++j) sum += std::abs(exact[static_cast<size_t>(index) * 4 + j]);
  }
  // 15 x the sum of magnitudes must fit 16 bits; each rounding adds half a unit at most.
  const double scale = sum > 0 ? (32767.0 / 15 - 2 * static_cast<double>(count)) / sum : 0;
  std::vector<kernels::SketchGroup> groups;
  for (const int32_t index : chosen) {
    kernels::SketchGroup& group = groups.emplace_back(kernels::SketchGroup{.index = index});
    for (size_t j = 0; j < 4; ++j) {
      group.weights[j] = static_cast<int16_t>(std::lround(exact[static_cast<size_t>(index) * 4 + j] * scale));
    }
  }
  return groups;
}

Status Sketch::Verify() const {
  Header header;
  std::memcpy(&header, file_->bytes().data(), sizeof header);
  const size_t piece = static_cast<size_t>(kRowsAtOnce / kernels::kSketchRows * kernels::SketchBlockBytes(dims_));
  ByteSpan rest = file_->bytes().subspan(static_cast<size_t>(blocks_ - file_->bytes().data()));
  uint64_t checksum = 0;
  for (; !rest.empty(); rest = rest.subspan(std::min(piece, rest.size()))) {
    checksum = Chain(checksum, rest.first(std::min(piece, rest.size())));
  }
  if (checksum == header.block_checksum) return Status::Ok();
  return Corrupt(file_->path(), "its sketches are damaged", "it is made anew by store gc");
}

}  // namespace diptych
