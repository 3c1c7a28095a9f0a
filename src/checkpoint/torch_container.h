// The files that torch.save and torch.jit.save make: where the pickle lies, and where the storages.
#ifndef DIPTYCH_CHECKPOINT_TORCH_CONTAINER_H_
#define DIPTYCH_CHECKPOINT_TORCH_CONTAINER_H_

#include <string>

#include "checkpoint/pickle.h"
#include "checkpoint/torch_tensor.h"
#include "core/file.h"
#include "core/status.h"

namespace diptych {

struct TorchContainer {
  Pickle pickle;
  TorchStorages storages;
  bool scripted = false;  // from torch.jit.save: the pickle is a tree of modules
};

/// Recognises the container by its first bytes. Untrusted input. The result views `bytes`; `path` is for messages.
Result<TorchContainer> OpenTorchContainer(ByteSpan bytes, const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_TORCH_CONTAINER_H_
