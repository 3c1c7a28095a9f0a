// The primary picture of an AVIF or HEIC file, by libheif.
#include <libheif/heif.h>

#include <cstring>
#include <memory>

#include "image/decoders.h"

namespace diptych {
namespace {

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using HeifContext = std::unique_ptr<heif_context, Freer<heif_context_free>>;
using HeifHandle = std::unique_ptr<heif_image_handle, Freer<heif_image_handle_release>>;
using HeifImage = std::unique_ptr<heif_image, Freer<heif_image_release>>;

}  // namespace

Result<Image> DecodeHeif(const DecodeRequest& request) {
  const HeifContext context(heif_context_alloc());
  if (context == nullptr) return LimitExceeded(request.where, "no memory for a HEIF decoder");
  const auto failure = [&](const heif_error& error) {
    if (error.code == heif_error_Unsupported_filetype || error.code == heif_error_Unsupported_feature) {
      return Unsupported(request.where, std::string("this AVIF or HEIC picture: ") + error.message,
                         "convert it to PNG");
    }
    return Damaged(request, "AVIF or HEIC", error.message != nullptr ? error.message : "unreadable");
  };
  heif_context_set_maximum_image_size_limit(context.get(), 1 << 20);
  heif_error error =
      heif_context_read_from_memory_without_copy(context.get(), request.bytes.data(), request.bytes.size(), nullptr);
  if (error.code != heif_error_Ok) return failure(error);
  heif_image_handle* raw_handle = nullptr;
  error = heif_context_get_primary_image_handle(context.get(), &raw_handle);
  const HeifHandle handle(raw_handle);
  if (error.code != heif_error_Ok) return failure(error);
  RETURN_IF_ERROR(
      CheckDimensions(request, heif_image_handle_get_width(handle.get()), heif_image_handle_get_height(handle.get())));

  const bool has_alpha = heif_image_handle_has_alpha_channel(handle.get()) != 0;
  heif_image* raw_image = nullptr;
  error = heif_decode_image(handle.get(), &raw_image, heif_colorspace_RGB,
                            has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, nullptr);
  const HeifImage decoded(raw_image);
  if (error.code != heif_error_Ok) return failure(error);
  int stride = 0;
  const uint8_t* rows = heif_image_get_plane_readonly(decoded.get(), heif_channel_interleaved, &stride);
  const int width = heif_image_get_width(decoded.get(), heif_channel_interleaved);
  const int height = heif_image_get_height(decoded.get(), heif_channel_interleaved);
  RETURN_IF_ERROR(CheckDimensions(request, width, height));
  if (rows == nullptr) return Damaged(request, "AVIF or HEIC", "no pixels in it");
  Image image = NewImage(has_alpha ? PixelMode::kRgba : PixelMode::kRgb, width, height);
  const size_t row_bytes = static_cast<size_t>(width) * ChannelsOf(image.mode);
  for (int y = 0; y < height; ++y) {
    std::memcpy(&image.pixels[y * row_bytes], rows + static_cast<size_t>(y) * stride, row_bytes);
  }
  return image;  // upright: libheif applies the rotation that the file asks for
}

std::string HeifLibrary() {
  return std::string("libheif ") + heif_get_version();
}

}  // namespace diptych
