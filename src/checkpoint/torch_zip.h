// PyTorch's own checkpoints (.pt, .pth, .bin), read without executing anything that they contain.
#ifndef DIPTYCH_CHECKPOINT_TORCH_ZIP_H_
#define DIPTYCH_CHECKPOINT_TORCH_ZIP_H_

#include <memory>
#include <string>

#include "checkpoint/state_dict.h"
#include "core/file.h"
#include "core/status.h"

namespace diptych {

/// Reads the bytes of a checkpoint, which stay owned by `owner`. Three containers:
///   - the zip archive of torch.save (since PyTorch 1.6),
///   - the archive of torch.jit.save: a tensor's name is its path in the tree of modules, joined by dots,
///   - the pickles in a row of torch.save before 1.6. (The tar archive of 2016 is refused.)
/// Of a trainer's file the state dict is taken: the dictionary under state_dict, model, module, model_state_dict or
/// ema, else the outermost one. The wrappers' prefixes "module." and "_orig_mod." are taken off where every name has
/// them.
///
/// Untrusted input: pickles are read as data (checkpoint/pickle.h), every tensor is checked against its storage, and
/// any violation is a Status that names the tensor. Views lie in `bytes` and need not be aligned for their dtype:
/// legacy files are packed without gaps. Tensors that are not contiguous are copied; all copies together are limited to
/// four times the size of the file. Tensors that Tensor cannot hold are skipped, as are values that are no tensors.
Result<StateDict> ParseTorchCheckpoint(ByteSpan bytes, const std::shared_ptr<const void>& owner,
                                       const std::string& path);

/// Maps one file.
Result<StateDict> LoadTorchCheckpoint(const std::string& path);

/// Maps the shards that a `pytorch_model.bin.index.json` lists, with the checks of LoadShardedSafetensors. Names are
/// taken as they are.
Result<StateDict> LoadShardedTorchCheckpoint(const std::string& index_path);

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_TORCH_ZIP_H_
