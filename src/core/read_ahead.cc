#include "core/read_ahead.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace diptych {
namespace {

constexpr size_t kPiece = 512 << 10;  // of a larger request the system drops what is over its limit

}  // namespace

void AskForMappedPages(const void* data, size_t bytes) {
  if (bytes == 0) return;
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data) + bytes;
  for (uintptr_t at = begin; at < end; at += kPiece) {
    ::madvise(reinterpret_cast<void*>(at), std::min<uintptr_t>(kPiece, end - at), MADV_WILLNEED);
  }
}

void ReadAheadOf(const std::string& path, const std::stop_token& stop) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  struct stat info;
  const off_t size = ::fstat(fd, &info) == 0 ? info.st_size : 0;
  for (off_t at = 0; at < size && !stop.stop_requested(); at += kPiece) {
    ::posix_fadvise(fd, at, kPiece, POSIX_FADV_WILLNEED);
    // The last byte of the piece before: reading it waits for that piece, while the disk is busy with this one.
    char byte;
    if (at > 0 && ::pread(fd, &byte, 1, at - 1) != 1) break;
  }
  ::close(fd);
}

}  // namespace diptych
