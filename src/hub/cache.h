// The cache of models on disk, in the layout of Hugging Face's Python library, which works in it at the same time:
//   ROOT/models--ORG--NAME/blobs/ETAG                     a file's bytes
//                          blobs/ETAG.incomplete          ... as far as they have come
//                          refs/REVISION                  the commit that a branch or tag was last seen at
//                          snapshots/COMMIT/PATH          a relative link into blobs/
//                          .no_exist/COMMIT/PATH          empty: the commit has no such file
//   ROOT/.locks/models--ORG--NAME/ETAG.lock               held (flock) while that blob is written
#ifndef DIPTYCH_HUB_CACHE_H_
#define DIPTYCH_HUB_CACHE_H_

#include <optional>
#include <string>
#include <vector>

#include "core/status.h"

namespace diptych::hub {

/// "name" or "org/name", as the hub allows them.
bool IsRepoId(const std::string& text);
/// 40 hexadecimal digits.
bool IsCommit(const std::string& text);
/// A branch, tag or commit that stays inside refs/.
bool IsRevision(const std::string& text);
/// A relative path of plain parts: what a repository may call a file.
bool IsFileName(const std::string& text);
/// A name for a blob: letters, digits and "-._".
bool IsBlobName(const std::string& text);

/// An exclusive lock between processes, as Python's filelock takes it. Released when it is destroyed.
class FileLock {
 public:
  /// Waits for it. On a file system that has no locks the result is not held().
  static Result<FileLock> Acquire(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  ~FileLock();
  bool held() const { return held_; }

 private:
  FileLock(int fd, bool held) : fd_(fd), held_(held) {}
  int fd_;
  bool held_;
};

/// One repository in the cache. Names that are passed in must have been checked by the functions above.
class RepoCache {
 public:
  RepoCache(const std::string& root, const std::string& repo);

  const std::string& folder() const { return folder_; }
  std::string SnapshotFolder(const std::string& commit) const { return folder_ + "/snapshots/" + commit; }
  std::string BlobPath(const std::string& blob) const { return folder_ + "/blobs/" + blob; }

  /// The commit of a revision as it was last seen; a commit is its own.
  std::optional<std::string> CommitOf(const std::string& revision) const;
  /// The files of a snapshot whose bytes are there, sorted. A link into nothing is not among them.
  std::vector<std::string> Files(const std::string& commit) const;
  bool Has(const std::string& commit, const std::string& file) const;
  bool IsKnownAbsent(const std::string& commit, const std::string& file) const;

  /// Makes the folders that a download needs.
  Status Prepare() const;
  Result<FileLock> Lock(const std::string& blob) const;
  /// Makes snapshots/COMMIT/FILE point to the blob.
  Status Link(const std::string& blob, const std::string& commit, const std::string& file) const;
  Status WriteRef(const std::string& revision, const std::string& commit) const;
  Status MarkAbsent(const std::string& commit, const std::string& file) const;

 private:
  std::string root_, name_, folder_;
};

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_CACHE_H_
