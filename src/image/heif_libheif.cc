// The primary picture of an AVIF or HEIC file, by libheif, which is loaded when the first such picture comes: it brings
// decoders and encoders of many megabytes and of licences of their own, which a package of ours need not hold.
#include <dlfcn.h>
#include <libheif/heif.h>

#include <cstring>
#include <memory>
#include <string>

#include "image/decoders.h"

namespace diptych {
namespace {

// What is called of it, found by name once.
class HeifCalls {
  // Never unloaded: its decoders keep threads and tables of their own.
  void* library_ = ::dlopen("libheif.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  bool complete_ = library_ != nullptr;

  // Becomes a pointer to a function of whatever type.
  struct Symbol {
    void* address;
    template <class F>
    operator F*() const {
      return reinterpret_cast<F*>(address);
    }
  };

  Symbol Find(const char* name) {
    void* address = library_ == nullptr ? nullptr : ::dlsym(library_, name);
    complete_ = complete_ && address != nullptr;
    return {address};
  }

 public:
  decltype(::heif_context_alloc)* context_alloc = Find("heif_context_alloc");
  decltype(::heif_context_free)* context_free = Find("heif_context_free");
  decltype(::heif_context_read_from_memory_without_copy)* context_read_from_memory_without_copy =
      Find("heif_context_read_from_memory_without_copy");
  decltype(::heif_context_set_maximum_image_size_limit)* context_set_maximum_image_size_limit =
      Find("heif_context_set_maximum_image_size_limit");
  decltype(::heif_context_get_primary_image_handle)* context_get_primary_image_handle =
      Find("heif_context_get_primary_image_handle");
  decltype(::heif_image_handle_get_width)* image_handle_get_width = Find("heif_image_handle_get_width");
  decltype(::heif_image_handle_get_height)* image_handle_get_height = Find("heif_image_handle_get_height");
  decltype(::heif_image_handle_has_alpha_channel)* image_handle_has_alpha_channel =
      Find("heif_image_handle_has_alpha_channel");
  decltype(::heif_image_handle_release)* image_handle_release = Find("heif_image_handle_release");
  decltype(::heif_decode_image)* decode_image = Find("heif_decode_image");
  decltype(::heif_image_get_plane_readonly)* image_get_plane_readonly = Find("heif_image_get_plane_readonly");
  decltype(::heif_image_get_width)* image_get_width = Find("heif_image_get_width");
  decltype(::heif_image_get_height)* image_get_height = Find("heif_image_get_height");
  decltype(::heif_image_release)* image_release = Find("heif_image_release");
  decltype(::heif_get_version)* get_version = Find("heif_get_version");

  bool available() const { return complete_; }
};

const HeifCalls& Heif() {
  static const HeifCalls calls;
  return calls;
}

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    (Heif().*kFree)(p);
  }
};
using HeifContext = std::unique_ptr<heif_context, Freer<&HeifCalls::context_free>>;
using HeifHandle = std::unique_ptr<heif_image_handle, Freer<&HeifCalls::image_handle_release>>;
using HeifImage = std::unique_ptr<heif_image, Freer<&HeifCalls::image_release>>;

}  // namespace

Result<Image> DecodeHeif(const DecodeRequest& request) {
  const HeifCalls& heif = Heif();
  if (!heif.available()) {
    return Unsupported(request.where, "AVIF and HEIC pictures need libheif, which this system does not have",
                       "install it (Debian's libheif1), or convert the picture to PNG");
  }
  const HeifContext context(heif.context_alloc());
  if (context == nullptr) return LimitExceeded(request.where, "no memory for a HEIF decoder");
  const auto failure = [&](const heif_error& error) {
    if (error.code == heif_error_Unsupported_filetype || error.code == heif_error_Unsupported_feature) {
      return Unsupported(request.where, std::string("this AVIF or HEIC picture: ") + error.message,
                         "convert it to PNG");
    }
    return Damaged(request, "AVIF or HEIC", error.message != nullptr ? error.message : "unreadable");
  };
  heif.context_set_maximum_image_size_limit(context.get(), 1 << 20);
  heif_error error =
      heif.context_read_from_memory_without_copy(context.get(), request.bytes.data(), request.bytes.size(), nullptr);
  if (error.code != heif_error_Ok) return failure(error);
  heif_image_handle* raw_handle = nullptr;
  error = heif.context_get_primary_image_handle(context.get(), &raw_handle);
  const HeifHandle handle(raw_handle);
  if (error.code != heif_error_Ok) return failure(error);
  RETURN_IF_ERROR(
      CheckDimensions(request, heif.image_handle_get_width(handle.get()), heif.image_handle_get_height(handle.get())));

  const bool has_alpha = heif.image_handle_has_alpha_channel(handle.get()) != 0;
  heif_image* raw_image = nullptr;
  error = heif.decode_image(handle.get(), &raw_image, heif_colorspace_RGB,
                            has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, nullptr);
  const HeifImage decoded(raw_image);
  if (error.code != heif_error_Ok) return failure(error);
  int stride = 0;
  const uint8_t* rows = heif.image_get_plane_readonly(decoded.get(), heif_channel_interleaved, &stride);
  const int width = heif.image_get_width(decoded.get(), heif_channel_interleaved);
  const int height = heif.image_get_height(decoded.get(), heif_channel_interleaved);
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
  return Heif().available() ? std::string("libheif ") + Heif().get_version() : "";
}

}  // namespace diptych
