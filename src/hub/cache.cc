#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "core/file.h"

namespace diptych::hub {
namespace {

namespace fs = std::filesystem;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsPlain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

// Parts between slashes: none empty, none of dots, no control characters, no backslash (a separator elsewhere).
bool IsRelativePath(std::string_view text) {
  if (text.empty() || text.size() > 1024) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

Status CannotWrite(const std::string& path) {
  return IoError(path, std::string("cannot be written: ") + std::strerror(errno),
                 "HF_HUB_CACHE chooses another folder for the cache");
}

Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return IoError(path, "cannot be made: " + error.message(), "HF_HUB_CACHE chooses another folder for the cache");
  return Status::Ok();
}

std::string Parent(const std::string& path) {
  return fs::path(path).parent_path().string();
}

}  // namespace

bool IsRepoId(const std::string& text) {
  const size_t slash = text.find('/');
  const auto is_part = [](const std::string& part) {
    return IsPlain(part) && part.size() <= 96 && part.front() != '-' && part.front() != '.' && part.back() != '-' &&
           part.back() != '.';
  };
  const bool parts_fit =
      slash == std::string::npos ? is_part(text) : is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
  return parts_fit && text.find("--") == std::string::npos && text.find("..") == std::string::npos;
}

bool IsCommit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool IsRevision(const std::string& text) {
  return IsRelativePath(text);
}
bool IsFileName(const std::string& text) {
  return IsRelativePath(text);
}

bool IsBlobName(const std::string& text) {
  return IsPlain(text) && text.size() <= 128 && text != "." && text != ".." && !text.ends_with(".incomplete");
}

Result<FileLock> FileLock::Acquire(const std::string& path) {
  while (true) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
    if (fd < 0) return CannotWrite(path);
    int result;
    while ((result = ::flock(fd, LOCK_EX)) != 0 && errno == EINTR) {
    }
    // Whoever unlinked the file while this waited has locked, or will lock, another one of that name.
    struct stat info;
    if (result == 0 && ::fstat(fd, &info) == 0 && info.st_nlink == 0) {
      ::close(fd);
      continue;
    }
    return FileLock(fd, result == 0);
  }
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), held_(other.held_) {}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);  // which releases it; the file stays, as Python leaves it
}

RepoCache::RepoCache(const std::string& root, const std::string& repo) : root_(root), name_("models--" + repo) {
  const size_t slash = name_.find('/');
  if (slash != std::string::npos) name_.replace(slash, 1, "--");
  folder_ = root_ + "/" + name_;
}

std::optional<std::string> RepoCache::CommitOf(const std::string& revision) const {
  if (IsCommit(revision)) return revision;
  const Result<std::string> text = ReadFile(folder_ + "/refs/" + revision, 4096);
  if (!text.ok()) return std::nullopt;
  const std::string commit = text->substr(0, text->find_last_not_of(" \r\n\t") + 1);
  return IsCommit(commit) ? std::optional(commit) : std::nullopt;  // empty or torn: as good as none
}

std::vector<std::string> RepoCache::Files(const std::string& commit) const {
  std::vector<std::string> files;
  std::error_code error;
  const std::string folder = SnapshotFolder(commit);
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code dangling;
    if (it->is_regular_file(dangling)) files.push_back(it->path().string().substr(folder.size() + 1));
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool RepoCache::Has(const std::string& commit, const std::string& file) const {
  std::error_code error;
  return fs::is_regular_file(SnapshotFolder(commit) + "/" + file, error);
}

bool RepoCache::IsKnownAbsent(const std::string& commit, const std::string& file) const {
  std::error_code error;
  return fs::is_regular_file(folder_ + "/.no_exist/" + commit + "/" + file, error);
}

Status RepoCache::Prepare() const {
  RETURN_IF_ERROR(MakeFolder(folder_ + "/blobs"));
  RETURN_IF_ERROR(MakeFolder(folder_ + "/snapshots"));
  RETURN_IF_ERROR(MakeFolder(folder_ + "/refs"));
  RETURN_IF_ERROR(MakeFolder(root_ + "/.locks/" + name_));
  // Backup programs skip a folder with this tag (bford.info/cachedir). Python's library writes it too.
  std::error_code error;
  const std::string tag = root_ + "/CACHEDIR.TAG";
  if (fs::exists(tag, error)) return Status::Ok();
  return WriteFileAtomically(tag,
                             "Signature: 8a477f597d28d172789f06886806bc55\n"
                             "# This folder holds downloaded models; they can be downloaded again.\n");
}

Result<FileLock> RepoCache::Lock(const std::string& blob) const {
  return FileLock::Acquire(root_ + "/.locks/" + name_ + "/" + blob + ".lock");
}

Status RepoCache::Link(const std::string& blob, const std::string& commit, const std::string& file) const {
  static std::atomic<uint64_t> number{0};
  const std::string pointer = SnapshotFolder(commit) + "/" + file;
  RETURN_IF_ERROR(MakeFolder(Parent(pointer)));
  std::string target = "../../";
  for (const char c : file) target += c == '/' ? "../" : "";
  target += "blobs/" + blob;
  // Under another name first, then renamed: a reader never finds the name missing.
  const std::string temporary = pointer + "." + std::to_string(::getpid()) + "." + std::to_string(number++);
  if (::symlink(target.c_str(), temporary.c_str()) != 0) {
    if (errno != EPERM && errno != EOPNOTSUPP) return CannotWrite(pointer);
    // A file system without links: the bytes move into the snapshot, as in Python's library.
    return ::rename(BlobPath(blob).c_str(), pointer.c_str()) == 0 ? Status::Ok() : CannotWrite(pointer);
  }
  if (::rename(temporary.c_str(), pointer.c_str()) == 0) return Status::Ok();
  const Status status = CannotWrite(pointer);
  ::unlink(temporary.c_str());
  return status;
}

Status RepoCache::WriteRef(const std::string& revision, const std::string& commit) const {
  if (IsCommit(revision) || CommitOf(revision) == commit) return Status::Ok();
  const std::string path = folder_ + "/refs/" + revision;
  RETURN_IF_ERROR(MakeFolder(Parent(path)));
  return WriteFileAtomically(path, commit);
}

Status RepoCache::MarkAbsent(const std::string& commit, const std::string& file) const {
  const std::string path = folder_ + "/.no_exist/" + commit + "/" + file;
  RETURN_IF_ERROR(MakeFolder(Parent(path)));
  return WriteFileAtomically(path, "");
}

}  // namespace diptych::hub
