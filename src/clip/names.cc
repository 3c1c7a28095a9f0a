#include "clip/names.h"

#include <string_view>

namespace diptych {
namespace {

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

std::vector<std::string> OpenClipNames(const std::string& name) {
  static constexpr std::string_view kJoined = ".self.qkv.";
  const size_t at = name.find(kJoined);
  if (at == std::string::npos) return {name};
  std::vector<std::string> names;
  for (const char* part : {".self.query.", ".self.key.", ".self.value."}) {
    names.push_back(name.substr(0, at) + part + name.substr(at + kJoined.size()));
  }
  return names;
}

bool IsIgnorableTensor(const std::string& name) {
  return EndsWith(name, ".num_batches_tracked") || EndsWith(name, ".position_ids");
}

}  // namespace diptych
