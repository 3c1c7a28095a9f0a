#include "image/encode.h"

#include <spng.h>

#include <cstdlib>
#include <memory>

#include "core/check.h"

namespace diptych {

Result<std::string> EncodePng(const Image& image) {
  CHECK(image.mode == PixelMode::kRgb);
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> context(spng_ctx_new(SPNG_CTX_ENCODER), spng_ctx_free);
  const Status failed = IoError("PNG", "the picture cannot be encoded");
  if (context == nullptr) return failed;
  spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(image.width);
  header.height = static_cast<uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  if (spng_set_ihdr(context.get(), &header) != 0 ||
      spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) !=
          0) {
    return failed;
  }
  size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, void (*)(void*)> bytes(spng_get_png_buffer(context.get(), &size, &error), std::free);
  if (bytes == nullptr) return failed;
  return std::string(static_cast<const char*>(bytes.get()), size);
}

}  // namespace diptych
