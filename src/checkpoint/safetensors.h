// The safetensors container (github.com/huggingface/safetensors), read by mapping and written whole.
#ifndef DIPTYCH_CHECKPOINT_SAFETENSORS_H_
#define DIPTYCH_CHECKPOINT_SAFETENSORS_H_

#include <map>
#include <string>

#include "checkpoint/state_dict.h"
#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// Parses a header and checks every claim of it against `bytes`, which stay owned by `owner`: header size at most
/// 100 MB, offsets contiguous from 0 without gap or overlap, lengths equal to shape x dtype with overflow checked,
/// the file's end equal to the last tensor's. Untrusted input: any violation is a Status that names the tensor.
/// Every view is aligned for its dtype: a tensor that lies misaligned is copied.
/// Tensors that Tensor cannot hold (8-bit floats, unsigned 16 and up, more than five dimensions) are skipped: whoever
/// needs one finds it missing.
Result<StateDict> ParseSafetensors(ByteSpan bytes, std::shared_ptr<const void> owner, const std::string& path);

/// Maps one file.
Result<StateDict> LoadSafetensors(const std::string& path);

/// Maps the shards that a `*.safetensors.index.json` lists. Refused: shard names that leave the index's folder,
/// tensors that are not in the shard that the index names, and tensors that are in two shards.
Result<StateDict> LoadShardedSafetensors(const std::string& index_path);

/// Writes `tensors` atomically, byte for byte as the reference library does: wide dtypes first, then by name, the
/// header padded to 8 bytes. `metadata` is written beside {"format": "pt"}, sorted. Names are UTF-8.
Status SaveSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_SAFETENSORS_H_
