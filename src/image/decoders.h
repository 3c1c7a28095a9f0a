// One decoder a format, behind DecodeImage. Internal to image/.
#ifndef DIPTYCH_IMAGE_DECODERS_H_
#define DIPTYCH_IMAGE_DECODERS_H_

#include <string>

#include "image/decode.h"

namespace diptych {

/// What every decoder gets. The references outlive the call.
struct DecodeRequest {
  ByteSpan bytes;
  const DecodeOptions& options;
  const std::string& where;
};

/// OK if a picture of this size may be decoded. Called before anything of its size is allocated.
Status CheckDimensions(const DecodeRequest& request, int64_t width, int64_t height);

/// A picture of zeros, as Pillow leaves what is not decoded. REQUIRES: CheckDimensions.
Image NewImage(PixelMode mode, int64_t width, int64_t height);

/// The error of a picture whose end is missing, and of one that contradicts its format.
Status CutOff(const DecodeRequest& request);
Status Damaged(const DecodeRequest& request, const std::string& format, const std::string& what);

/// Makes `image` a palette picture: `colors` RGB triples (at most 256), the rest black as in Pillow.
void SetPalette(const uint8_t* rgb, size_t colors, Image* image);

Result<Image> DecodeJpeg(const DecodeRequest& request);
Result<Image> DecodePng(const DecodeRequest& request);
Result<Image> DecodeWebp(const DecodeRequest& request);
Result<Image> DecodeGif(const DecodeRequest& request);
Result<Image> DecodeTiff(const DecodeRequest& request);
Result<Image> DecodeBmp(const DecodeRequest& request);
Result<Image> DecodePnm(const DecodeRequest& request);
Result<Image> DecodeHeif(const DecodeRequest& request);

/// Versions of the libraries; empty where the format is not built in.
std::string JpegLibrary();
std::string PngLibrary();
std::string WebpLibrary();
std::string GifLibrary();
std::string TiffLibrary();
std::string HeifLibrary();

}  // namespace diptych

#endif  // DIPTYCH_IMAGE_DECODERS_H_
