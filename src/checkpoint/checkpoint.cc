#include "checkpoint/checkpoint.h"

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"

namespace diptych {

Result<StateDict> LoadCheckpoint(const std::string& path) {
  if (path.ends_with(".safetensors")) return LoadSafetensors(path);
  if (path.ends_with(".safetensors.index.json")) return LoadShardedSafetensors(path);
  if (path.ends_with(".index.json")) return LoadShardedTorchCheckpoint(path);
  return LoadTorchCheckpoint(path);
}

}  // namespace diptych
