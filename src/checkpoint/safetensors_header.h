// The header of a safetensors file, checked: every number in it agrees with every other and with the file.
#ifndef DIPTYCH_CHECKPOINT_SAFETENSORS_HEADER_H_
#define DIPTYCH_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/status.h"
#include "core/tensor.h"

namespace diptych {

/// One tensor as the header describes it.
struct SafetensorsEntry {
  std::string stored_dtype;    // as written: "F32", "F8_E4M3", ...
  std::optional<DType> dtype;  // absent where Tensor has no such type
  std::vector<int64_t> shape;  // row-major
  int64_t begin = 0, end = 0;  // bytes, from the end of the header
};
using SafetensorsEntries = std::map<std::string, SafetensorsEntry>;

struct SafetensorsHeader {
  SafetensorsEntries entries;
  ByteSpan data;  // what follows the header; all offsets lie inside it
};

/// Reads the header of the file whose bytes are `bytes`; `path` is for messages. Untrusted input. The limits are
/// 100 MB of header, 262,144 tensors and 32 dimensions.
Result<SafetensorsHeader> ReadSafetensorsHeader(ByteSpan bytes, const std::string& path);

/// The dtype's name in a header ("F32").
const char* SafetensorsName(DType dtype);

/// `name` between quotes for a message: control characters replaced, cut after 100 bytes.
std::string QuotedTensorName(const std::string& name);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_SAFETENSORS_HEADER_H_
