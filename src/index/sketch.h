// 4-bit sketches of a store's vectors: 64 bytes a row instead of 1,024, from which a scan picks the few thousand rows
// that it then reads whole.
//
// A vector is centred and turned so that its first coordinates vary most (principal components); the first D of them
// are kept in 16 steps over 2.5 deviations to either side. At equal bytes this finds the nearest rows as surely as one
// bit of each of the rotated coordinates, and four values at a time fit the vector unit (bench/RESULTS.md).
#ifndef DIPTYCH_INDEX_SKETCH_H_
#define DIPTYCH_INDEX_SKETCH_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/file.h"
#include "core/status.h"
#include "index/vector_file.h"

namespace diptych {

/// Sketches of the first rows() vectors of a store, mapped. Derived data: it may be missing or too old at any time.
class Sketch {
 public:
  static constexpr int64_t kMaxDims = 128;

  /// Makes the sketches of all vectors and writes them. The same file at any number of threads.
  static Status Build(Context& context, const VectorMapping& vectors, const std::string& path);

  /// Errors: kNotFound, kCorrupt (also where it has more rows than there are vectors). The blocks themselves are
  /// trusted: damage there costs recall, and Verify() finds it.
  static Result<Sketch> Open(const std::string& path, const VectorMapping& vectors);

  int64_t rows() const { return rows_; }
  int64_t dims() const { return dims_; }
  const uint8_t* blocks() const { return blocks_; }  // kernels/scan.h; the last one is padded
  /// A query (E) as the kernel takes it: (dims).
  std::vector<int16_t> Project(std::span<const float> query) const;
  Status Verify() const;

 private:
  Sketch() = default;
  std::shared_ptr<const MappedFile> file_;
  int64_t rows_ = 0, dims_ = 0, e_ = 0;
  const float* basis_ = nullptr;  // (D, E): each coordinate's direction times its step
  const uint8_t* blocks_ = nullptr;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_SKETCH_H_
