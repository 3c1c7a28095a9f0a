// How each checkpoint container names the parameters of our modules.
#ifndef DIPTYCH_CLIP_NAMES_H_
#define DIPTYCH_CLIP_NAMES_H_

#include <string>
#include <vector>

#include "clip/config.h"

namespace diptych {

/// The stored tensors that make up the parameter `name`, which follow each other along its first dimension: normally
/// one, three where the container keeps query, key and value apart. Several answers are alternatives, tried in order.
std::vector<std::vector<std::string>> StoredNames(Container container, const std::string& name);

/// True for stored tensors that no model computes with: counters, index buffers, sizes, a BERT pooler that CLIP never
/// uses.
bool IsIgnorableTensor(const std::string& name);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_NAMES_H_
