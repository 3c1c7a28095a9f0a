#include "core/file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

namespace diptych {
namespace {

struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::string SystemReason() {
  return std::strerror(errno);
}

Status CannotOpen(const std::string& path) {
  if (errno == ENOENT || errno == ENOTDIR) return NotFound(path, "no such file");
  return IoError(path, "cannot be opened: " + SystemReason());
}

// Opens a regular file and finds its size. Folders, pipes and devices are refused: their size means nothing.
Result<std::pair<int, size_t>> OpenRegular(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotOpen(path);
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    const bool folder = S_ISDIR(info.st_mode);
    ::close(fd);
    return InvalidArgument(path, folder ? "is a folder, not a file" : "is not a regular file");
  }
  return std::make_pair(fd, static_cast<size_t>(info.st_size));
}

// Where the bytes for `path` go: a link keeps pointing where it points, and a device (/dev/null, /dev/stdout) or pipe
// is written to: renaming would put a file in its place.
struct Target {
  std::string path;
  bool device = false;
};

Result<Target> FindTarget(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return Target{path};  // new; what is wrong with the folder, open() will say
  if (S_ISDIR(info.st_mode)) return InvalidArgument(path, "is a folder, not a file");
  if (!S_ISREG(info.st_mode)) return Target{path, true};
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return Target{error ? path : real.string()};
}

bool WriteAll(int fd, std::span<const std::string_view> pieces) {
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const ssize_t n = ::write(fd, piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      piece.remove_prefix(static_cast<size_t>(n));
    }
  }
  return true;
}

// What is mapped now. To give pages back is to lose what they hold, unless a file holds it as well.
class Mappings {
 public:
  static Mappings& Get() {
    static Mappings& all = *new Mappings;  // outlives every static object that might own a mapping
    return all;
  }
  void Add(const uint8_t* data, size_t size) {
    const std::lock_guard lock(mutex_);
    ends_[reinterpret_cast<uintptr_t>(data)] = reinterpret_cast<uintptr_t>(data) + size;
  }
  void Remove(const uint8_t* data) {
    const std::lock_guard lock(mutex_);
    ends_.erase(reinterpret_cast<uintptr_t>(data));
  }
  bool Contain(uintptr_t begin, uintptr_t end) {
    const std::lock_guard lock(mutex_);
    const auto after = ends_.upper_bound(begin);
    return after != ends_.begin() && end <= std::prev(after)->second;
  }

 private:
  std::mutex mutex_;
  std::map<uintptr_t, uintptr_t> ends_;  // by beginning
};

uint64_t NextNumber() {  // makes names of temporary files differ within this process
  static std::atomic<uint64_t> number{0};
  return number++;
}

// Makes the rename itself durable. Where a file system cannot do that there is nothing to tell: the file is in place.
void SyncFolder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const FileDescriptor file{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.fd >= 0) ::fsync(file.fd);
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(const auto opened, OpenRegular(path));
  const FileDescriptor file{opened.first};
  const size_t size = opened.second;
  const uint8_t* data = nullptr;
  if (size > 0) {
    void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (mapping == MAP_FAILED) return IoError(path, "cannot be mapped: " + SystemReason());
    data = static_cast<const uint8_t*>(mapping);
    Mappings::Get().Add(data, size);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::~MappedFile() {
  if (size_ == 0) return;
  Mappings::Get().Remove(data_);
  ::munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::ExpectSparseReads() const {
  if (size_ > 0) ::madvise(const_cast<uint8_t*>(data_), size_, MADV_RANDOM);
}

void ReleaseMappedPages(const void* data, size_t bytes) {
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  // Only advice: where the kernel refuses, the pages merely stay.
  if (begin < end && Mappings::Get().Contain(begin, end))
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  ASSIGN_OR_RETURN(const auto opened, OpenRegular(path));
  const FileDescriptor file{opened.first};
  const size_t size = opened.second;
  if (size > max_bytes) {
    return LimitExceeded(path, "has " + std::to_string(size) + " bytes, the limit is " + std::to_string(max_bytes));
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.fd, bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError(path, "cannot be read: " + SystemReason());
    if (n == 0) break;  // it shrank while it was read
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

Result<std::string> ReadFileRange(const std::string& path, uint64_t offset, size_t size) {
  ASSIGN_OR_RETURN(const auto opened, OpenRegular(path));
  const FileDescriptor file{opened.first};
  const uint64_t file_size = opened.second;
  if (offset > file_size || size > file_size - offset) {
    return Corrupt(path, "ends at byte " + std::to_string(file_size) + ", before " + std::to_string(size) +
                             " bytes from " + std::to_string(offset) + " on");
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(file.fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError(path, "cannot be read: " + SystemReason());
    if (n == 0) return Corrupt(path, "shrank while it was read");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  return WriteFileAtomically(path, std::span(&bytes, 1));
}

Status WriteFileAtomically(const std::string& path, std::span<const std::string_view> pieces) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(path));
  if (target.device) {
    const FileDescriptor device{::open(target.path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (device.fd < 0 || !WriteAll(device.fd, pieces)) return IoError(path, "cannot be written: " + SystemReason());
    return Status::Ok();
  }
  const std::string temporary = target.path + "." + std::to_string(::getpid()) + "." + std::to_string(NextNumber());
  // Not mkstemp: its files are private to the user, these get the permissions that any new file would.
  const FileDescriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  if (file.fd < 0) return IoError(path, "cannot be written: " + SystemReason());
  if (!WriteAll(file.fd, pieces) || ::fsync(file.fd) != 0 || ::rename(temporary.c_str(), target.path.c_str()) != 0) {
    const std::string reason = SystemReason();
    ::unlink(temporary.c_str());
    return IoError(path, "cannot be written: " + reason);
  }
  SyncFolder(target.path);
  return Status::Ok();
}

std::string ProgramFolder() {
  Dl_info info;
  std::error_code ignored;
  // dladdr names the shared library this code is in; in an executable its answer is argv[0], which may be relative.
  if (::dladdr(reinterpret_cast<const void*>(&ProgramFolder), &info) != 0 && info.dli_fname != nullptr &&
      std::string_view(info.dli_fname).find(".so") != std::string_view::npos) {
    return std::filesystem::absolute(info.dli_fname, ignored).parent_path().string();
  }
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

}  // namespace diptych
