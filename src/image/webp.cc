// WebP by libwebp's animation decoder, as Pillow does: a still picture is an animation of one frame.
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "image/decoders.h"
#include "image/exif.h"

namespace diptych {
namespace {

using AnimDecoder = std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)>;

int Orientation(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) == 0) return 1;
  const int orientation = ExifOrientation({chunk.chunk.bytes, chunk.chunk.size});
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

}  // namespace

Result<Image> DecodeWebp(const DecodeRequest& request) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(request.bytes.data(), request.bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) return Corrupt(request.where, "the picture is cut off");
  if (status != VP8_STATUS_OK) return Damaged(request, "WebP", "its header makes no sense");
  RETURN_IF_ERROR(CheckDimensions(request, features.width, features.height));

  const WebPData data = {request.bytes.data(), request.bytes.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const AnimDecoder decoder(WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  if (decoder == nullptr) return Damaged(request, "WebP", "it is cut off, or its parts do not fit together");
  uint8_t* rgba = nullptr;
  int timestamp = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp) == 0) {
    return Damaged(request, "WebP", "its first frame does not decode");
  }
  const WebPDemuxer* demuxer = WebPAnimDecoderGetDemuxer(decoder.get());
  const bool has_alpha = features.has_alpha != 0;
  Image image = NewImage(has_alpha ? PixelMode::kRgba : PixelMode::kRgb, features.width, features.height);
  if (has_alpha) {
    std::memcpy(image.pixels.data(), rgba, image.pixels.size());
  } else {
    for (size_t i = 0; i < image.pixels.size(); i += 3, rgba += 4) std::memcpy(&image.pixels[i], rgba, 3);
  }
  image.exif_orientation = Orientation(demuxer);
  return image;
}

std::string WebpLibrary() {
  const int version = WebPGetDecoderVersion();
  return "libwebp " + std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." +
         std::to_string(version & 255);
}

}  // namespace diptych
