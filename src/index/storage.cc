#include "index/storage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace diptych {
namespace {

Status Failed(const std::string& path, const std::string& what) {
  return IoError(path, "cannot be " + what + ": " + std::strerror(errno));
}

class SystemFile : public AppendFile {
 public:
  SystemFile(std::string path, int fd, uint64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  ~SystemFile() override { ::close(fd_); }

  Status Append(ByteSpan bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed(path_, "written");
      size_ += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return Status::Ok();
  }
  Status Sync() override { return ::fdatasync(fd_) == 0 ? Status::Ok() : Failed(path_, "written to the disk"); }
  Status Truncate(uint64_t bytes) override {
    if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return Failed(path_, "cut to its committed length");
    size_ = bytes;
    return Status::Ok();
  }
  uint64_t size() const override { return size_; }

 private:
  std::string path_;
  int fd_;
  uint64_t size_;
};

class System : public Storage {
 public:
  Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return Failed(path, "opened for writing");
    struct stat info;
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd);
      return IoError(path, "is not a regular file");
    }
    return std::unique_ptr<AppendFile>(new SystemFile(path, fd, static_cast<uint64_t>(info.st_size)));
  }
  Status Remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Status::Ok() : Failed(path, "removed");
  }
};

}  // namespace

Storage& SystemStorage() {
  static System storage;
  return storage;
}

Result<std::unique_ptr<WriterLock>> WriterLock::Take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return Failed(path, "opened for writing");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return Unavailable(path, "another process is writing to this store", "wait until it has ended");
  }
  return std::unique_ptr<WriterLock>(new WriterLock(fd));
}

WriterLock::~WriterLock() {
  ::close(fd_);
}

}  // namespace diptych
