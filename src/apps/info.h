// What a model is, for people and for programs.
#ifndef DIPTYCH_APPS_INFO_H_
#define DIPTYCH_APPS_INFO_H_

#include <string>

#include "clip/clip.h"
#include "diptych/info.h"

namespace diptych {

/// `name` is what the model was asked for by.
ModelInfo DescribeModel(const Clip& clip, const std::string& name);

}  // namespace diptych

#endif  // DIPTYCH_APPS_INFO_H_
