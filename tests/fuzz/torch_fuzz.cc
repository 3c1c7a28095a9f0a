// libFuzzer target: any bytes as a PyTorch checkpoint. Built with clang and DIPTYCH_FUZZ=ON (preset "fuzz"); run as
//   build-fuzz/torch_fuzz -max_total_time=60 CORPUS tests/golden/torch
#include <cstddef>
#include <cstdint>

#include "checkpoint/torch_zip.h"
#include "read_every_byte.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tensors = diptych::ParseTorchCheckpoint({data, size}, nullptr, "fuzz");
  if (tensors.ok()) diptych::ReadEveryByte(*tensors);
  return 0;
}
