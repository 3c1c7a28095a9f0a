// The index of a checkpoint in several files, and their union.
#ifndef DIPTYCH_CHECKPOINT_SHARD_INDEX_H_
#define DIPTYCH_CHECKPOINT_SHARD_INDEX_H_

#include <set>
#include <string>
#include <vector>

#include "checkpoint/state_dict.h"
#include "core/status.h"

namespace diptych {

struct Shard {
  std::string path;
  std::set<std::string> names;  // of the tensors that the index says it holds
};

/// Reads a `*.index.json` (its weight_map: tensor -> file name). Untrusted input; refused are file names that leave the
/// index's folder, tensors that are listed twice, and files above 16 MB.
Result<std::vector<Shard>> ReadShardIndex(const std::string& index_path);

/// What is wrong when a shard lacks the tensor `name`.
Status NotInShard(const std::string& index_path, const std::string& name, const std::string& shard_path);

/// Adds a shard's tensors to those of the others. A name that is there already is an error.
Status AddShard(StateDict shard, StateDict* tensors);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_SHARD_INDEX_H_
