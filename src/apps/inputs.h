// From what the user named to pictures: files, folders, globs, lists, archives, addresses.
#ifndef DIPTYCH_APPS_INPUTS_H_
#define DIPTYCH_APPS_INPUTS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/runtime.h"
#include "apps/shard.h"
#include "clip/batcher.h"
#include "core/tar.h"
#include "diptych/options.h"

namespace diptych {

/// Gives the pictures in order. What cannot be found or opened comes as a picture whose `read` tells why, in its place,
/// so that it is reported like any other bad picture and harms no other.
///   folder      its pictures and those of its subfolders, in sorted order; only files with a picture's suffix
///   glob        *, ?, [...] as the shell has them, where no file has that very name
///   x.tar       its files with a picture's suffix, named "x.tar/NAME"; {000..010} counts through shards
///   http(s)://  by the fetcher
///   -           a path in each line of standard input (once)
class PictureInputs {
 public:
  /// Errors: no inputs at all, "-" twice, a malformed or too long range, an unreadable --files-from.
  static Result<std::unique_ptr<PictureInputs>> Open(const InputOptions& options, Fetcher fetch);

  /// From now on only the pictures of one part.
  void Restrict(const ShardPart& part);

  /// One thread at a time.
  std::optional<PictureRef> Next();

  /// How many there will be, where that is known without reading archives or standard input.
  std::optional<int64_t> total() const { return total_; }

 private:
  enum class Kind : uint8_t { kPicture, kArchive, kStandardInput };
  struct Item {
    Kind kind = Kind::kPicture;
    PictureRef ref;
  };
  struct Archive {
    std::string name;
    std::shared_ptr<const MappedFile> file;
    std::unique_ptr<TarReader> reader;
    bool empty = true;  // no picture was met yet
  };

  explicit PictureInputs(Fetcher fetch) : fetch_(std::move(fetch)) {}
  Status Expand(const std::string& argument);
  Status ExpandList(const std::string& path);
  bool ExpandGlob(const std::string& pattern);
  void Add(const std::string& path, std::deque<Item>& items);
  std::optional<PictureRef> NextOfAll();
  std::optional<PictureRef> OpenArchive(const std::string& path);
  std::optional<PictureRef> NextOfArchive();

  Fetcher fetch_;
  ShardPart part_;
  std::deque<Item> items_;
  std::optional<Archive> archive_;  // being walked
  bool list_seen_ = false;
  std::optional<int64_t> total_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_INPUTS_H_
