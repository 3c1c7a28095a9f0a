// Any container of weights.
#ifndef DIPTYCH_CHECKPOINT_CHECKPOINT_H_
#define DIPTYCH_CHECKPOINT_CHECKPOINT_H_

#include <string>

#include "checkpoint/state_dict.h"
#include "core/status.h"

namespace diptych {

/// Maps a checkpoint. Its name says which container it is: *.safetensors, *.safetensors.index.json, another
/// *.index.json (of PyTorch's shards), or one of PyTorch's own (.pt, .pth, .bin).
Result<StateDict> LoadCheckpoint(const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_CHECKPOINT_H_
