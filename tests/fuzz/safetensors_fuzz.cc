// libFuzzer target: any bytes as JSON and as a safetensors file. Built with clang and DIPTYCH_FUZZ=ON (preset "fuzz");
// run as
//   build-fuzz/safetensors_fuzz -max_total_time=60 CORPUS tests/golden/checkpoint
#include <cstddef>
#include <cstdint>

#include "core/json_scanner.h"
#include "checkpoint/safetensors.h"
#include "read_every_byte.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  diptych::JsonScanner({reinterpret_cast<const char*>(data), size}).Skip();
  const auto tensors = diptych::ParseSafetensors({data, size}, nullptr, "fuzz");
  if (tensors.ok()) diptych::ReadEveryByte(*tensors);
  return 0;
}
