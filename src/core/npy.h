// NumPy's array file (numpy.lib.format, version 1.0): written row by row, read back strictly.
#ifndef DIPTYCH_CORE_NPY_H_
#define DIPTYCH_CORE_NPY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"
#include "core/tensor.h"

namespace diptych {

/// Writes an array of N rows when N is known only at the end: memory does not grow with N. The file appears under its
/// name in Finish(); without it nothing is left behind. Not thread safe.
class NpyWriter {
 public:
  /// `row` is the shape of one row; dtype is kF32, kF16 or kI32.
  static Result<NpyWriter> Create(const std::string& path, DType dtype, const Shape& row);
  NpyWriter(NpyWriter&&) noexcept;
  NpyWriter& operator=(NpyWriter&&) noexcept;
  ~NpyWriter();

  Status Append(const void* row);
  /// Writes N into the header and moves the file to its name. Nothing may be appended afterwards.
  Status Finish();
  int64_t rows() const;

 private:
  struct Impl;
  explicit NpyWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The whole array at once, atomically. Any rank up to 5, kF32, kF16 or kI32.
Status WriteNpy(const std::string& path, TensorView array);

/// Reads a little-endian, C-ordered float32, float16 or int32 array of rank 1 to 5. Untrusted input: anything else, and
/// a file that is longer or shorter than its header says, is an error.
Result<Tensor> ReadNpy(const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_CORE_NPY_H_
