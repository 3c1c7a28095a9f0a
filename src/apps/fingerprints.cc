#include "apps/fingerprints.h"

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "image/fingerprint.h"

namespace diptych {
namespace {

// Workers take pictures one by one: each has its number, by which results are put in order again.
class Fingerprinter {
 public:
  Fingerprinter(PictureInputs& inputs, const DecodeOptions& decode, const Runtime& runtime)
      : inputs_(inputs), decode_(decode), runtime_(runtime), meter_(runtime.progress, inputs.total()) {}

  std::vector<StoredPicture> Run() {
    std::vector<std::thread> workers;
    for (int i = 1; i < runtime_.threads; ++i) workers.emplace_back([this] { Work(); });
    Work();
    for (std::thread& worker : workers) worker.join();
    meter_.Finish();
    std::vector<StoredPicture> pictures;
    for (size_t i = 0; i < found_.size(); ++i) {
      const auto bad = skipped_.find(i);
      if (bad != skipped_.end()) {
        if (runtime_.skip) runtime_.skip(bad->second.first, bad->second.second);
        continue;
      }
      found_[i].slot = static_cast<int64_t>(pictures.size());
      pictures.push_back(std::move(found_[i]));
    }
    return pictures;
  }

 private:
  void Work() {
    while (true) {
      std::optional<PictureRef> ref;
      size_t number = 0;
      {
        const std::lock_guard lock(mutex_);
        ref = inputs_.Next();
        if (!ref) return;
        number = found_.size();
        found_.emplace_back();
      }
      Result<StoredPicture> picture = Look(*ref);
      const std::lock_guard lock(mutex_);
      meter_.Step();
      if (picture.ok()) {
        found_[number] = std::move(*picture);
      } else {
        skipped_.emplace(number, std::pair(ref->name, picture.status()));
      }
    }
  }

  Result<StoredPicture> Look(const PictureRef& ref) const {
    ASSIGN_OR_RETURN(const std::string bytes, ReadPictureBytes(ref));
    const ByteSpan span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ASSIGN_OR_RETURN(const Image image, DecodeImage(span, decode_, ref.name));
    StoredPicture picture{.path = StoredPath(ref.name)};
    picture.modified = TimesOf(ArchiveOf(picture.path).value_or(picture.path)).value_or(FileTimes{}).modified;
    SetFingerprint(span, image, picture);
    return picture;
  }

  PictureInputs& inputs_;
  const DecodeOptions& decode_;
  const Runtime& runtime_;
  std::mutex mutex_;
  ProgressMeter meter_;
  std::vector<StoredPicture> found_;
  std::map<size_t, std::pair<std::string, Status>> skipped_;  // by number
};

}  // namespace

std::optional<FileTimes> TimesOf(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  const int64_t modified = int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
  return FileTimes{static_cast<int64_t>(info.st_size), modified};
}

std::optional<std::string> ArchiveOf(const std::string& path) {
  const size_t end = path.find(".tar/");
  if (end == std::string::npos) return std::nullopt;
  return path.substr(0, end + 4);
}

void SetFingerprint(ByteSpan bytes, const Image& image, StoredPicture& picture) {
  const PictureFingerprint fingerprint = Fingerprint(image);
  picture.content = HashBytes(bytes);
  picture.bytes = static_cast<int64_t>(bytes.size());
  picture.width = image.file_width > 0 ? image.file_width : image.width;
  picture.height = image.file_height > 0 ? image.file_height : image.height;
  picture.phash = fingerprint.phash;
  picture.detail = fingerprint.detail;
  picture.sharpness = fingerprint.sharpness;
}

std::vector<StoredPicture> FingerprintPictures(PictureInputs& inputs, const DecodeOptions& decode,
                                               const Runtime& runtime) {
  return Fingerprinter(inputs, decode, runtime).Run();
}

}  // namespace diptych
