#include "image/picture_files.h"

#include <algorithm>
#include <filesystem>

namespace diptych {

namespace fs = std::filesystem;

bool HasPictureSuffix(std::string_view path) {
  static constexpr std::string_view kSuffixes[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp",
                                                   ".gif", ".tif",  ".tiff", ".bmp",  ".dib",  ".pbm",
                                                   ".pgm", ".ppm",  ".pnm",  ".avif", ".heic", ".heif"};
  std::string suffix = fs::path(path).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return std::find(std::begin(kSuffixes), std::end(kSuffixes), suffix) != std::end(kSuffixes);
}

Status ListPictures(const std::string& folder, std::vector<std::string>& pictures) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) entries.push_back(*it);
  if (error) return IoError(folder, "cannot be listed: " + error.message());
  std::sort(entries.begin(), entries.end());
  Status first;
  for (const fs::directory_entry& entry : entries) {
    if (entry.path().filename().string().starts_with(".")) continue;
    std::error_code ignored;
    if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
      const Status status = ListPictures(entry.path().string(), pictures);
      if (first.ok()) first = status;
    } else if (HasPictureSuffix(entry.path().string()) && entry.is_regular_file(ignored)) {
      pictures.push_back(entry.path().string());
    }
  }
  return first;
}

}  // namespace diptych
