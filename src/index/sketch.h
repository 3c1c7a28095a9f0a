// 4-bit sketches of a store's vectors, a quarter of their bytes, of which a scan reads a part to pick the few thousand
// rows that it then reads whole.
//
// A vector is centred and turned to its principal components, each kept in 16 steps over 2.5 deviations to either
// side; four values at a time fit the vector unit. Which coordinates matter is the query's affair: it reads those, in
// groups of four, that hold most of what its scores differ by. For a picture's query these are about the first ones. A
// text's lies apart from all pictures, and so does much of what it asks about: by the first 128 coordinates of 384 a
// million pictures gave up 0.92 of a text's nearest ones, by its own best ones 0.999 (bench/RESULTS.md).
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
#include "kernels/scan.h"

namespace diptych {

/// Sketches of the first rows() vectors of a store, mapped. Derived data: it may be missing or too old at any time.
class Sketch {
 public:
  static constexpr int64_t kMaxDims = 512;

  /// Makes the sketches of all vectors and writes them. The same file at any number of threads.
  static Status Build(Context& context, const VectorMapping& vectors, const std::string& path);

  /// Errors: kNotFound, kCorrupt (also where it has more rows than there are vectors). The blocks themselves are
  /// trusted: damage there costs recall, and Verify() finds it.
  static Result<Sketch> Open(const std::string& path, const VectorMapping& vectors);

  int64_t rows() const { return rows_; }
  int64_t dims() const { return dims_; }
  const uint8_t* blocks() const { return blocks_; }  // kernels/scan.h; the last one is padded
  /// A query (E) as the kernel takes it: the groups to be read, in their order.
  std::vector<kernels::SketchGroup> Project(std::span<const float> query) const;
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
