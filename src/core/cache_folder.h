// Where what can be computed again is kept between runs.
#ifndef DIPTYCH_CORE_CACHE_FOLDER_H_
#define DIPTYCH_CORE_CACHE_FOLDER_H_

#include <string>

namespace diptych {

/// $XDG_CACHE_HOME/diptych, else ~/.cache/diptych; empty where there is neither, or DIPTYCH_NO_CACHE is set. It need
/// not exist.
std::string CacheFolder();

}  // namespace diptych

#endif  // DIPTYCH_CORE_CACHE_FOLDER_H_
