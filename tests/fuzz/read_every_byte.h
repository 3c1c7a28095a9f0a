#ifndef DIPTYCH_TESTS_FUZZ_READ_EVERY_BYTE_H_
#define DIPTYCH_TESTS_FUZZ_READ_EVERY_BYTE_H_

#include <cstddef>
#include <cstdint>

#include "checkpoint/state_dict.h"

namespace diptych {

/// Reads all tensors. Bytes that were read must be used, or the compiler drops the reads that AddressSanitizer should
/// watch.
inline void ReadEveryByte(const StateDict& tensors) {
  uint8_t sum = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto* bytes = static_cast<const uint8_t*>(tensor.view.raw());
    for (size_t i = 0; i < tensor.view.SizeBytes(); ++i) sum = static_cast<uint8_t>(sum ^ bytes[i]);
  }
  [[maybe_unused]] static volatile uint8_t sink;
  sink = sum;
}

}  // namespace diptych

#endif  // DIPTYCH_TESTS_FUZZ_READ_EVERY_BYTE_H_
