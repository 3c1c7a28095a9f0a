// How each checkpoint container names the parameters of our modules.
#ifndef DIPTYCH_CLIP_NAMES_H_
#define DIPTYCH_CLIP_NAMES_H_

#include <string>
#include <vector>

namespace diptych {

/// The stored tensors that make up the parameter `name` in an open_clip state dict: itself, or the query, key and value
/// of a Hugging Face text tower, which follow each other along the first dimension of the parameter.
std::vector<std::string> OpenClipNames(const std::string& name);

/// True for stored tensors that no model computes with: counters and index buffers that training leaves behind.
bool IsIgnorableTensor(const std::string& name);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_NAMES_H_
