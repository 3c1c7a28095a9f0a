// One of n parts of the pictures, for n processes that know nothing of each other.
#ifndef DIPTYCH_APPS_SHARD_H_
#define DIPTYCH_APPS_SHARD_H_

#include <cstdint>
#include <string>

#include "core/status.h"

namespace diptych {

/// A picture's path as stores keep it: absolute, without "." and "..". Addresses stay as they are.
std::string StoredPath(const std::string& path);

struct ShardPart {
  uint64_t index = 0, count = 1;
  bool launched = false;  // by mpirun, which started the other parts as well

  /// By a hash of the path: each process picks its own, and a picture's part does not depend on the others.
  bool Has(const std::string& stored_path) const;

  /// Where this part of an output goes: FILE itself, unless mpirun gave the same name to all of them: then
  /// "a.npy" is "a-1-of-4.npy" for part 1 of 4.
  std::string Output(const std::string& file) const;
};

/// "i/n", 0 <= i < n. Empty: everything, but under mpirun the part of this process's rank.
Result<ShardPart> ParseShard(const std::string& text);

}  // namespace diptych

#endif  // DIPTYCH_APPS_SHARD_H_
