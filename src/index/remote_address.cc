#include "index/remote.h"

namespace diptych {

bool IsRemoteAddress(const std::string& store) {
  return store.starts_with("postgres://") || store.starts_with("postgresql://");
}

Result<std::vector<std::string>> SplitRemoteAddress(const std::string& address) {
  const std::string shown = WithoutPassword(address);
  const size_t scheme = address.find("://");
  if (!IsRemoteAddress(address)) return InvalidArgument(shown, "is not the address of a PostgreSQL server");
  const size_t begin = scheme + 3, path = std::min(address.find_first_of("/?", begin), address.size());
  const std::string authority = address.substr(begin, path - begin), rest = address.substr(path);
  const size_t at = authority.rfind('@');
  const std::string user = at == std::string::npos ? "" : authority.substr(0, at + 1);
  std::string hosts = at == std::string::npos ? authority : authority.substr(at + 1);
  std::vector<std::string> shards;
  while (true) {
    const size_t comma = hosts.find(',');
    const std::string host = hosts.substr(0, comma);
    if (host.empty()) return InvalidArgument(shown, "names a host that is empty", "postgres://HOST1,HOST2/DATABASE");
    shards.push_back("postgresql://" + user + host + rest);
    if (comma == std::string::npos) return shards;
    hosts.erase(0, comma + 1);
  }
}

std::string WithoutPassword(const std::string& address) {
  const size_t scheme = address.find("://");
  if (scheme == std::string::npos) return address;
  const size_t end = std::min(address.find_first_of("/?", scheme + 3), address.size());
  const size_t at = address.rfind('@', end), colon = address.find(':', scheme + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return address;
  return address.substr(0, colon) + address.substr(at);
}

}  // namespace diptych
