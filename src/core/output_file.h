// A file written piece by piece that appears under its name only when it is complete.
#ifndef DIPTYCH_CORE_OUTPUT_FILE_H_
#define DIPTYCH_CORE_OUTPUT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/status.h"

namespace diptych {

/// Buffered. A link is followed; a device or pipe is written to as it is. Not thread safe.
class OutputFile {
 public:
  static Result<OutputFile> Create(const std::string& path);
  OutputFile(OutputFile&&) noexcept;
  OutputFile& operator=(OutputFile&&) noexcept;
  ~OutputFile();  // without Commit() nothing is left behind

  Status Write(std::string_view bytes);
  /// Replaces bytes that were written earlier: headers that tell a length.
  Status Rewrite(int64_t offset, std::string_view bytes);
  /// Flushes and moves the file to its name.
  Status Commit();

 private:
  struct Impl;
  explicit OutputFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_OUTPUT_FILE_H_
