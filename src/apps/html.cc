#include "apps/html.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/output_file.h"
#include "core/tar.h"
#include "image/encode.h"
#include "image/resize.h"

namespace diptych {
namespace {

constexpr int kSide = 224;

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; }
h1 { font-size: 20px; margin: 0 0 4px; }
h2 { font-size: 15px; margin: 24px 0 8px; }
p { margin: 0 0 16px; opacity: .75; }
.sheet { display: flex; flex-wrap: wrap; gap: 12px; }
figure { margin: 0; width: 224px; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure.dimmed img { opacity: .55; }
.picture { height: 224px; display: flex; align-items: center; justify-content: center; background: var(--line); }
.picture img { max-width: 100%; max-height: 100%; }
figcaption { padding: 8px 10px; overflow-wrap: anywhere; }
figcaption small { display: block; opacity: .7; }
)css";

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) word = word << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[word >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

// An <img> with the picture inside, small; or its path.
std::string Thumbnail(const std::string& path, const DecodeOptions& decode) {
  const Result<Image> image = LoadPicture(StoredPictureRef(path), decode);
  if (!image.ok()) return "<span>" + EscapeHtml(image.status().what()) + "</span>";
  const double scale = std::min(1.0, static_cast<double>(kSide) / std::max(image->width, image->height));
  const auto side = [scale](int n) { return std::max(1, static_cast<int>(std::lround(n * scale))); };
  const Result<std::string> png =
      EncodePng(Resize(ConvertToRgb(*image), side(image->width), side(image->height), kernels::Filter::kBilinear));
  if (!png.ok()) return "<span>" + EscapeHtml(png.status().what()) + "</span>";
  return "<img alt=\"\" src=\"data:image/png;base64," + Base64(*png) + "\">";
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

PictureRef StoredPictureRef(const std::string& path) {
  const size_t end = path.find(".tar/");
  if (end == std::string::npos) return {.name = path, .path = path};
  return {.name = path, .read = [path, end]() -> Result<std::string> {
            ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path.substr(0, end + 4)));
            TarReader reader(file->bytes(), path);
            while (true) {
              ASSIGN_OR_RETURN(const std::optional<TarEntry> entry, reader.Next());
              if (!entry) return NotFound(path, "the archive does not hold it any more");
              if (entry->name != path.substr(end + 5)) continue;
              return std::string(reinterpret_cast<const char*>(entry->data.data()), entry->data.size());
            }
          }};
}

Status WriteContactSheet(const std::string& path, const std::string& title, const std::string& summary,
                         const std::vector<CardGroup>& groups, const DecodeOptions& decode) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  RETURN_IF_ERROR(file.Write("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>" +
                             EscapeHtml(title) + "</title>\n<style>" + kStyle + "</style></head><body>\n<h1>" +
                             EscapeHtml(title) + "</h1>\n<p>" + EscapeHtml(summary) + "</p>\n"));
  for (const CardGroup& group : groups) {
    if (!group.title.empty()) RETURN_IF_ERROR(file.Write("<h2>" + EscapeHtml(group.title) + "</h2>\n"));
    RETURN_IF_ERROR(file.Write("<div class=\"sheet\">\n"));
    for (const Card& card : group.cards) {
      std::string html = card.dimmed ? "<figure class=\"dimmed\">" : "<figure>";
      html += "<div class=\"picture\">" + Thumbnail(card.path, decode) + "</div><figcaption title=\"" +
              EscapeHtml(card.path) + "\">" + EscapeHtml(card.title);
      for (const std::string& note : card.notes) html += "<small>" + EscapeHtml(note) + "</small>";
      RETURN_IF_ERROR(file.Write(html + "</figcaption></figure>\n"));
    }
    RETURN_IF_ERROR(file.Write("</div>\n"));
  }
  RETURN_IF_ERROR(file.Write("</body></html>\n"));
  return file.Commit();
}

}  // namespace diptych
