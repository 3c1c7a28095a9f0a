// The version of the library that is running.
#ifndef DIPTYCH_VERSION_H_
#define DIPTYCH_VERSION_H_

#include "diptych/export.h"

namespace diptych {

/// "0.1.0". Source compatibility holds within a major version.
DIPTYCH_EXPORT const char* Version();

}  // namespace diptych

#endif  // DIPTYCH_VERSION_H_
