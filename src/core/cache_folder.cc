#include "core/cache_folder.h"

#include <cstdlib>

namespace diptych {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string CacheFolder() {
  if (!Variable("DIPTYCH_NO_CACHE").empty()) return "";
  const std::string cache = Variable("XDG_CACHE_HOME"), home = Variable("HOME");
  if (!cache.empty()) return cache + "/diptych";
  return home.empty() ? "" : home + "/.cache/diptych";
}

}  // namespace diptych
