// JPEG by libjpeg-turbo with its defaults, which are Pillow's: the ISLOW inverse DCT and fancy upsampling. Where it may
// be made smaller, only by powers of two: for these libjpeg-turbo has vector code, for 5/8 and the like it has none.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

// After <cstdio>: it uses size_t and FILE without including what declares them.
#include <jpeglib.h>

#include "image/decoders.h"
#include "image/exif.h"

namespace diptych {
namespace {

// A progressive file repeats the work of the whole picture in each of its scans, and a scan can be some bytes only.
// This many megapixels of scans are decoded: for small pictures as many as the format makes sense of, and twenty for
// one of 100 megapixels (encoders write about ten).
constexpr double kMaxScanMegapixels = 2000;
constexpr int kMinScans = 20, kMaxScans = 500;

// libjpeg reports errors by a call that must not return. It jumps back to the setjmp of the member function that is
// running; between the two there are only frames of libjpeg and of callbacks without destructors.
class JpegReader {
 public:
  explicit JpegReader(ByteSpan bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { Of(info).Fail(); };
    errors_.output_message = [](j_common_ptr) {};
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool ReadHeader() {
    if (setjmp(on_error_) != 0) return false;
    jpeg_create_decompress(&info_);
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr info) -> boolean { return Of(info).FillBuffer(); };
    source_.skip_input_data = [](j_decompress_ptr info, long count) { Of(info).Skip(count); };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    source_.next_input_byte = bytes_.data();
    source_.bytes_in_buffer = bytes_.size();
    info_.src = &source_;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    return jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK;
  }

  /// Makes the picture smaller by 2, 4 or 8 as long as both sides still cover `cover` pixels; 0 leaves it as it is.
  bool Shrink(int cover) {
    if (setjmp(on_error_) != 0) return false;
    info_.scale_num = 1;
    for (unsigned int by = cover > 0 ? 8 : 1; by > 0; by /= 2) {
      info_.scale_denom = by;
      jpeg_calc_output_dimensions(&info_);
      if (std::min(output_width(), output_height()) >= cover) break;
    }
    return true;
  }

  /// Rows of `stride` bytes into out, as far as they decode: `rows_done`.
  bool ReadRows(uint8_t* out, size_t stride) {
    if (setjmp(on_error_) != 0) return false;
    info_.out_color_space = components() == 1 ? JCS_GRAYSCALE : components() == 3 ? JCS_RGB : JCS_CMYK;
    progress_.progress_monitor = [](j_common_ptr info) { Of(info).CheckScans(); };
    info_.progress = &progress_;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + info_.output_scanline * stride;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    return true;
  }

  int width() const { return static_cast<int>(info_.image_width); }
  int height() const { return static_cast<int>(info_.image_height); }
  int output_width() const { return static_cast<int>(info_.output_width); }
  int output_height() const { return static_cast<int>(info_.output_height); }
  int components() const { return info_.num_components; }
  bool is_cut_off() const { return is_cut_off_; }
  std::string message() const { return message_; }

  int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const ByteSpan data(marker->data, marker->data_length);
      if (data.size() >= 6 && std::memcmp(data.data(), "Exif\0\0", 6) == 0) return ExifOrientation(data);
    }
    return 1;
  }

 private:
  template <class Info>
  static JpegReader& Of(Info* info) {
    return *static_cast<JpegReader*>(info->client_data);
  }

  [[noreturn]] void Fail() {
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_);
    longjmp(on_error_, 1);
  }

  // The bytes are over: an end marker lets libjpeg fill the rest, as Pillow's LOAD_TRUNCATED_IMAGES does.
  boolean FillBuffer() {
    static constexpr JOCTET kEnd[2] = {0xff, JPEG_EOI};
    is_cut_off_ = true;
    source_.next_input_byte = kEnd;
    source_.bytes_in_buffer = sizeof(kEnd);
    return TRUE;
  }

  void Skip(long count) {
    if (count <= 0) return;
    if (static_cast<size_t>(count) > source_.bytes_in_buffer) {
      FillBuffer();
      return;
    }
    source_.next_input_byte += count;
    source_.bytes_in_buffer -= count;
  }

  void CheckScans() {
    const double megapixels = 1e-6 * info_.image_width * info_.image_height;
    const double allowed = kMaxScanMegapixels / megapixels;
    const int limit = allowed < kMinScans ? kMinScans : allowed > kMaxScans ? kMaxScans : static_cast<int>(allowed);
    if (info_.input_scan_number <= limit) return;
    std::snprintf(message_, sizeof(message_), "more than %d progressive scans", limit);
    longjmp(on_error_, 1);
  }

  ByteSpan bytes_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_source_mgr source_ = {};
  jpeg_progress_mgr progress_ = {};
  jmp_buf on_error_;
  char message_[JMSG_LENGTH_MAX] = "";
  bool is_cut_off_ = false;
};

}  // namespace

Result<Image> DecodeJpeg(const DecodeRequest& request) {
  JpegReader reader(request.bytes);
  if (!reader.ReadHeader()) {
    return reader.is_cut_off() ? CutOff(request) : Damaged(request, "JPEG", reader.message());
  }
  RETURN_IF_ERROR(CheckDimensions(request, reader.width(), reader.height()));
  const int components = reader.components();
  if (components != 1 && components != 3 && components != 4) {
    return Unsupported(request.where, "a JPEG of " + std::to_string(components) + " components",
                       "save it as grey, RGB or CMYK");
  }
  const PixelMode mode = components == 1 ? PixelMode::kL : components == 3 ? PixelMode::kRgb : PixelMode::kCmyk;
  if (!reader.Shrink(request.options.cover)) return Damaged(request, "JPEG", reader.message());
  Image image = NewImage(mode, reader.output_width(), reader.output_height());
  if (image.width != reader.width() || image.height != reader.height()) {
    image.file_width = reader.width();
    image.file_height = reader.height();
  }
  const bool is_read = reader.ReadRows(image.pixels.data(), static_cast<size_t>(image.width) * components);
  if (!request.options.allow_truncated) {
    if (reader.is_cut_off()) return CutOff(request);
    if (!is_read) return Damaged(request, "JPEG", reader.message());
  }
  // Four components are Adobe's: inverted.
  if (mode == PixelMode::kCmyk) {
    for (uint8_t& sample : image.pixels) sample = ~sample;
  }
  image.exif_orientation = reader.orientation();
  return image;
}

std::string JpegLibrary() {
#define DIPTYCH_TEXT_(x) #x
#define DIPTYCH_TEXT(x) DIPTYCH_TEXT_(x)
  return "libjpeg-turbo " DIPTYCH_TEXT(LIBJPEG_TURBO_VERSION);
#undef DIPTYCH_TEXT
#undef DIPTYCH_TEXT_
}

}  // namespace diptych
