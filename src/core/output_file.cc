#include "core/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace diptych {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;

std::string TemporaryName(const std::string& target) {
  static std::atomic<uint64_t> number{0};
  return target + "." + std::to_string(::getpid()) + "." + std::to_string(number++) + ".part";
}

}  // namespace

struct OutputFile::Impl {
  std::string path;       // as the caller said it, for messages
  std::string target;     // where a link leads
  std::string temporary;  // empty for a device
  int fd = -1;
  std::string buffer;

  ~Impl() {
    if (fd >= 0) ::close(fd);
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }

  Status Failed() const { return IoError(path, std::string("cannot be written: ") + std::strerror(errno)); }

  Status Flush() {
    std::string_view rest = buffer;
    while (!rest.empty()) {
      const ssize_t n = ::write(fd, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed();
      rest.remove_prefix(static_cast<size_t>(n));
    }
    buffer.clear();
    return Status::Ok();
  }
};

OutputFile::OutputFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OutputFile::OutputFile(OutputFile&&) noexcept = default;
OutputFile& OutputFile::operator=(OutputFile&&) noexcept = default;
OutputFile::~OutputFile() = default;

Result<OutputFile> OutputFile::Create(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = impl->target = path;
  struct stat info;
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return InvalidArgument(path, "is a folder, not a file");
  if (exists && !S_ISREG(info.st_mode)) {
    impl->fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    std::error_code ignored;
    if (exists) impl->target = std::filesystem::canonical(path, ignored).string();
    const std::string temporary = TemporaryName(impl->target);
    impl->fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (impl->fd >= 0) impl->temporary = temporary;
  }
  if (impl->fd < 0) return impl->Failed();
  return OutputFile(std::move(impl));
}

Status OutputFile::Write(std::string_view bytes) {
  impl_->buffer.append(bytes);
  return impl_->buffer.size() < kBufferBytes ? Status::Ok() : impl_->Flush();
}

Status OutputFile::Rewrite(int64_t offset, std::string_view bytes) {
  RETURN_IF_ERROR(impl_->Flush());
  const ssize_t n = ::pwrite(impl_->fd, bytes.data(), bytes.size(), offset);
  return n == static_cast<ssize_t>(bytes.size()) ? Status::Ok() : impl_->Failed();
}

Status OutputFile::Commit() {
  RETURN_IF_ERROR(impl_->Flush());
  if (impl_->temporary.empty()) return Status::Ok();
  if (::fsync(impl_->fd) != 0 || ::rename(impl_->temporary.c_str(), impl_->target.c_str()) != 0) {
    return impl_->Failed();
  }
  impl_->temporary.clear();
  return Status::Ok();
}

}  // namespace diptych
