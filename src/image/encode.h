// A picture -> encoded bytes.
#ifndef DIPTYCH_IMAGE_ENCODE_H_
#define DIPTYCH_IMAGE_ENCODE_H_

#include <string>

#include "core/status.h"
#include "image/decode.h"

namespace diptych {

/// PNG, 8-bit RGB. REQUIRES: mode kRgb. Errors: not enough memory.
Result<std::string> EncodePng(const Image& image);

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_ENCODE_H_
