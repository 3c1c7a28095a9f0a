// libFuzzer target: any bytes as JSON and as a safetensors file. Built with clang and DIPTYCH_FUZZ=ON (preset "fuzz");
// run as
//   build-fuzz/safetensors_fuzz -max_total_time=60 CORPUS tests/golden/checkpoint
#include <cstddef>
#include <cstdint>

#include "core/json_scanner.h"
#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  diptych::JsonScanner({reinterpret_cast<const char*>(data), size}).Skip();
  const auto tensors = diptych::ParseSafetensors({data, size}, nullptr, "fuzz");
  if (!tensors.ok()) return 0;
  uint8_t sum = 0;
  for (const auto& [name, tensor] : *tensors) {
    const auto* bytes = static_cast<const uint8_t*>(tensor.view.raw());
    for (size_t i = 0; i < tensor.view.SizeBytes(); ++i) sum = static_cast<uint8_t>(sum ^ bytes[i]);
  }
  // Bytes that were read must be used, or the compiler drops the reads that AddressSanitizer should watch.
  static volatile uint8_t sink;
  sink = sum;
  return 0;
}
