#include "apps/label_cache.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/cache_folder.h"
#include "core/hash.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

constexpr size_t kMostFiles = 1000;

std::string Folder() {
  const std::string cache = CacheFolder();
  return cache.empty() ? "" : cache + "/labels";
}

std::string NameOfTexts(const Strings& labels, const Strings& templates) {
  Hash hash;
  for (const Strings* strings : {&labels, &templates}) {
    const uint64_t count = strings->size();
    hash.Add(&count, sizeof count);
    for (const std::string& one : *strings) hash.Add(one);
  }
  return hash.Hex();
}

std::string PathOf(const Clip& clip, const Strings& labels, const Strings& templates) {
  return Folder() + "/" + NameOfTexts(labels, templates) + "-" + clip.fingerprint() + "-" + NameOf(clip.precision()) +
         ".safetensors";
}

std::vector<fs::path> Files() {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(Folder(), error), end; !error && it != end; it.increment(error)) {
    files.push_back(it->path());
  }
  return files;
}

void DropOldest() {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code ignored;
  for (const fs::path& path : Files()) files.emplace_back(fs::last_write_time(path, ignored), path);
  if (files.size() < kMostFiles) return;
  std::sort(files.begin(), files.end());
  files.resize(files.size() - kMostFiles + 1);
  for (const auto& [time, path] : files) fs::remove(path, ignored);
}

}  // namespace

bool LabelsMayBeCached(const Strings& labels, const Strings& templates) {
  if (Folder().empty()) return false;
  const std::string name = NameOfTexts(labels, templates);
  const std::vector<fs::path> files = Files();
  return std::any_of(files.begin(), files.end(),
                     [&](const fs::path& path) { return path.filename().string().starts_with(name); });
}

std::optional<Classifier> CachedClassifier(const Clip& clip, const Strings& labels, const Strings& templates) {
  if (Folder().empty()) return std::nullopt;
  Result<Classifier> classifier = LoadClassifier(PathOf(clip, labels, templates), clip);
  if (!classifier.ok() || classifier->labels != labels || classifier->templates != templates) return std::nullopt;
  return *std::move(classifier);
}

void CacheClassifier(const Clip& clip, const Classifier& classifier) {
  if (Folder().empty()) return;
  std::error_code ignored;
  fs::create_directories(Folder(), ignored);
  DropOldest();
  (void)SaveClassifier(PathOf(clip, classifier.labels, classifier.templates), classifier, clip);
}

}  // namespace diptych
