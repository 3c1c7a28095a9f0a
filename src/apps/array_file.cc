#include "apps/array_file.h"

#include <utility>

namespace diptych {

Result<ArrayFile> ArrayFile::Create(const std::string& path, DType dtype, const Shape& row, RowNames names) {
  if (!path.ends_with(".npy")) return InvalidArgument(path, "the output's name does not end in .npy");
  const std::string stem = path.substr(0, path.size() - 4);
  ASSIGN_OR_RETURN(NpyWriter array, NpyWriter::Create(path, dtype, row));
  ASSIGN_OR_RETURN(OutputFile lines,
                   OutputFile::Create(stem + (names == RowNames::kPaths ? ".paths.txt" : ".texts.txt")));
  return ArrayFile(std::move(array), std::move(lines));
}

Status ArrayFile::Append(const void* row, const std::string& name) {
  std::string line;
  for (const char c : name) {
    if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  RETURN_IF_ERROR(names_.Write(line + "\n"));
  return array_.Append(row);
}

Status ArrayFile::Finish() {
  RETURN_IF_ERROR(names_.Commit());
  return array_.Finish();
}

}  // namespace diptych
