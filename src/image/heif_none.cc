// Built where libheif is not installed.
#include "image/decoders.h"

namespace diptych {

Result<Image> DecodeHeif(const DecodeRequest& request) {
  return Unsupported(request.where, "AVIF and HEIC pictures are not supported by this build",
                     "install libheif-dev and build again, or convert the picture to PNG");
}

std::string HeifLibrary() {
  return "";
}

}  // namespace diptych
