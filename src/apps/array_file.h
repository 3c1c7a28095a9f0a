// NAME.npy with NAME.paths.txt or NAME.texts.txt beside it: a line for each row.
#ifndef DIPTYCH_APPS_ARRAY_FILE_H_
#define DIPTYCH_APPS_ARRAY_FILE_H_

#include <string>

#include "core/npy.h"
#include "core/output_file.h"
#include "core/status.h"
#include "core/tensor.h"

namespace diptych {

enum class RowNames : uint8_t { kPaths, kTexts };

/// Both files appear when Finish() has been called. A line break within a name is written as "\n", so that lines and
/// rows stay together.
class ArrayFile {
 public:
  /// Errors: a name that does not end in .npy; see NpyWriter::Create.
  static Result<ArrayFile> Create(const std::string& path, DType dtype, const Shape& row, RowNames names);

  Status Append(const void* row, const std::string& name);
  Status Finish();

 private:
  ArrayFile(NpyWriter array, OutputFile names) : array_(std::move(array)), names_(std::move(names)) {}
  NpyWriter array_;
  OutputFile names_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_ARRAY_FILE_H_
