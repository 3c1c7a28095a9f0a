// How a store's vectors reach the disk: an interface, so that tests can make any write fail.
#ifndef DIPTYCH_INDEX_STORAGE_H_
#define DIPTYCH_INDEX_STORAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// A file that is only ever written at its end.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual Status Append(ByteSpan bytes) = 0;
  /// What was appended is on the disk when it returns.
  virtual Status Sync() = 0;
  /// Cuts off what an interrupted writer left behind.
  virtual Status Truncate(uint64_t bytes) = 0;
  virtual uint64_t size() const = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;
  /// Opens the file, or makes an empty one.
  virtual Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) = 0;
  virtual Status Remove(const std::string& path) = 0;
};

/// The operating system's.
Storage& SystemStorage();

/// Held by the one writer of a store until it is destroyed; the system lets go of it when the process dies.
class WriterLock {
 public:
  /// Errors: kUnavailable where another process, or another Store of this one, holds it.
  static Result<std::unique_ptr<WriterLock>> Take(const std::string& path);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  explicit WriterLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace diptych

#endif  // DIPTYCH_INDEX_STORAGE_H_
