// A file layer for stores whose n-th operation fails, vectors and SQLite alike.
#ifndef DIPTYCH_TESTS_SUPPORT_FAILING_STORAGE_H_
#define DIPTYCH_TESTS_SUPPORT_FAILING_STORAGE_H_

#include <sqlite3.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "core/status.h"
#include "index/storage.h"

namespace diptych {

/// Counts writes, syncs, truncations and removals, and lets one of them fail, and all after it: a disk that is full or
/// gone stays so until somebody helps. A failing write leaves half of its bytes behind.
class FailingStorage : public Storage {
 public:
  /// `fail_at` counts from 0; -1: nothing fails. Registers SQLite's file layer kVfs, which obeys the newest object.
  explicit FailingStorage(int64_t fail_at) : fail_at_(fail_at) {
    current = this;
    RegisterVfs();
  }
  ~FailingStorage() override { current = nullptr; }

  static constexpr const char* kVfs = "diptych_failing";
  int64_t operations() const { return operations_; }

  Result<std::unique_ptr<AppendFile>> OpenAppend(const std::string& path) override {
    ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, SystemStorage().OpenAppend(path));
    return std::unique_ptr<AppendFile>(new File(this, std::move(file)));
  }
  Status Remove(const std::string& path) override { return Fails() ? Failure() : SystemStorage().Remove(path); }

 private:
  class File : public AppendFile {
   public:
    File(FailingStorage* owner, std::unique_ptr<AppendFile> file) : owner_(owner), file_(std::move(file)) {}
    Status Append(ByteSpan bytes) override {
      if (!owner_->Fails()) return file_->Append(bytes);
      const Status half = file_->Append(bytes.first(bytes.size() / 2));
      return half.ok() ? Failure() : half;
    }
    Status Sync() override { return owner_->Fails() ? Failure() : file_->Sync(); }
    Status Truncate(uint64_t bytes) override { return owner_->Fails() ? Failure() : file_->Truncate(bytes); }
    uint64_t size() const override { return file_->size(); }

   private:
    FailingStorage* owner_;
    std::unique_ptr<AppendFile> file_;
  };

  bool Fails() { return operations_++ >= fail_at_ && fail_at_ >= 0; }
  static Status Failure() { return IoError("test", "the disk is full"); }
  static bool SqlFails() { return current != nullptr && current->Fails(); }

  static void RegisterVfs() {
    static sqlite3_vfs vfs = [] {
      sqlite3_vfs made = *sqlite3_vfs_find(nullptr);
      made.zName = kVfs;
      made.pNext = nullptr;
      made.pAppData = sqlite3_vfs_find(nullptr);
      made.szOsFile = static_cast<int>(sizeof(Opened)) + made.szOsFile;
      made.xOpen = Open;
      made.xDelete = [](sqlite3_vfs* self, const char* name, int sync) {
        auto* base = static_cast<sqlite3_vfs*>(self->pAppData);
        return SqlFails() ? SQLITE_IOERR_DELETE : base->xDelete(base, name, sync);
      };
      return made;
    }();
    static const int registered = sqlite3_vfs_register(&vfs, 0);
    (void)registered;
  }

  // SQLite's: an open file of ours passes everything on to one of the default layer.
  struct Opened {
    sqlite3_file file;
    sqlite3_file* inner;  // the default layer's, in the bytes after this struct
  };
  static sqlite3_file* Inner(sqlite3_file* file) { return reinterpret_cast<Opened*>(file)->inner; }

  static int Open(sqlite3_vfs* self, const char* name, sqlite3_file* file, int flags, int* out) {
    auto* base = static_cast<sqlite3_vfs*>(self->pAppData);
    auto* opened = reinterpret_cast<Opened*>(file);
    opened->inner = reinterpret_cast<sqlite3_file*>(opened + 1);
    std::memset(opened->inner, 0, static_cast<size_t>(base->szOsFile));
    const int code = base->xOpen(base, name, opened->inner, flags, out);
    opened->file.pMethods = opened->inner->pMethods == nullptr ? nullptr : &Methods();
    return code;
  }

  static const sqlite3_io_methods& Methods() {
    static const sqlite3_io_methods methods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* f) { return Inner(f)->pMethods->xClose(Inner(f)); };
      m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
        return Inner(f)->pMethods->xRead(Inner(f), to, n, at);
      };
      m.xWrite = [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
        if (!SqlFails()) return Inner(f)->pMethods->xWrite(Inner(f), from, n, at);
        Inner(f)->pMethods->xWrite(Inner(f), from, n / 2, at);
        return SQLITE_FULL;
      };
      m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        return SqlFails() ? SQLITE_IOERR_TRUNCATE : Inner(f)->pMethods->xTruncate(Inner(f), size);
      };
      m.xSync = [](sqlite3_file* f, int flags) {
        return SqlFails() ? SQLITE_IOERR_FSYNC : Inner(f)->pMethods->xSync(Inner(f), flags);
      };
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return Inner(f)->pMethods->xFileSize(Inner(f), size); };
      m.xLock = [](sqlite3_file* f, int level) { return Inner(f)->pMethods->xLock(Inner(f), level); };
      m.xUnlock = [](sqlite3_file* f, int level) { return Inner(f)->pMethods->xUnlock(Inner(f), level); };
      m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
        return Inner(f)->pMethods->xCheckReservedLock(Inner(f), out);
      };
      m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
        return Inner(f)->pMethods->xFileControl(Inner(f), op, arg);
      };
      m.xSectorSize = [](sqlite3_file* f) { return Inner(f)->pMethods->xSectorSize(Inner(f)); };
      m.xDeviceCharacteristics = [](sqlite3_file* f) { return Inner(f)->pMethods->xDeviceCharacteristics(Inner(f)); };
      m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
        return Inner(f)->pMethods->xShmMap(Inner(f), page, size, extend, out);
      };
      m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
        return Inner(f)->pMethods->xShmLock(Inner(f), offset, n, flags);
      };
      m.xShmBarrier = [](sqlite3_file* f) { Inner(f)->pMethods->xShmBarrier(Inner(f)); };
      m.xShmUnmap = [](sqlite3_file* f, int remove) { return Inner(f)->pMethods->xShmUnmap(Inner(f), remove); };
      return m;
    }();
    return methods;
  }

  static inline FailingStorage* current = nullptr;
  int64_t fail_at_;
  int64_t operations_ = 0;
};

}  // namespace diptych

#endif  // DIPTYCH_TESTS_SUPPORT_FAILING_STORAGE_H_
