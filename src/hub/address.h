// Which network addresses are public.
#ifndef DIPTYCH_HUB_ADDRESS_H_
#define DIPTYCH_HUB_ADDRESS_H_

#include <sys/socket.h>

#include <string>

namespace diptych::hub {

/// True for addresses that the IANA special-purpose registries call globally reachable unicast. False for this host,
/// private and shared (carrier-grade NAT) networks, link-local, unique-local, multicast, documentation, benchmarking
/// and reserved ranges, for forms that embed an IPv4 address which is not global, and for families other than IP.
bool IsGlobalAddress(const sockaddr& address);

/// Of a URL's host: a numeric address ("10.0.0.1", "::1", "[::1]") is judged, "localhost" and names below it are not
/// global, and of any other name nothing is known before it is looked up: true. A dot at the end changes nothing.
bool IsGlobalHost(const std::string& host);

/// "127.0.0.1" or "::1".
std::string AddressText(const sockaddr& address);

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_ADDRESS_H_
