#include "hub/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace diptych::hub {
namespace {

struct Range4 {
  uint32_t network;
  int bits;
};

// iana.org/assignments/iana-ipv4-special-registry, "globally reachable: false", and multicast.
constexpr Range4 kNotGlobal4[] = {
    {0x00000000, 8},   // this network
    {0x0a000000, 8},   // private
    {0x64400000, 10},  // shared: carrier-grade NAT
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local: cloud metadata services answer here
    {0xac100000, 12},  // private
    {0xc0000000, 24},  // protocol assignments
    {0xc0000200, 24},  // documentation
    {0xc0586300, 24},  // 6to4 relays, deprecated
    {0xc0a80000, 16},  // private
    {0xc6120000, 15},  // benchmarking
    {0xc6336400, 24},  // documentation
    {0xcb007100, 24},  // documentation
    {0xe0000000, 4},   // multicast
    {0xf0000000, 4},   // reserved, and broadcast
};

bool IsGlobal4(uint32_t address) {
  for (const Range4& range : kNotGlobal4) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) return false;
  }
  return true;
}

uint32_t BigEndian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

bool IsGlobal6(const uint8_t* a) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};
  if (std::memcmp(a, kMapped, 12) == 0 || std::memcmp(a, kNat64, 12) == 0) return IsGlobal4(BigEndian(a + 12));
  if ((a[0] & 0xe0) != 0x20) return false;  // global unicast is 2000::/3
  const uint32_t first = BigEndian(a);
  if (first >> 9 == 0x20010000 >> 9) return false;  // 2001::/23, protocol assignments: Teredo, ORCHID, ...
  if (first == 0x20010db8) return false;            // documentation
  if (first >> 16 == 0x2002) return IsGlobal4(BigEndian(a + 2));  // 6to4
  return first >> 12 != 0x3fff0;                                  // documentation
}

}  // namespace

bool IsGlobalAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return IsGlobal4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) return IsGlobal6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr);
  return false;
}

bool IsGlobalHost(const std::string& host) {
  const bool bracketed = host.size() > 1 && host.front() == '[' && host.back() == ']';
  std::string text = bracketed ? host.substr(1, host.size() - 2) : host;
  if (text.ends_with('.')) text.pop_back();
  if (text == "localhost" || text.ends_with(".localhost")) return false;
  in_addr four;
  in6_addr six;
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return IsGlobal4(ntohl(four.s_addr));
  if (::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &six) == 1) return IsGlobal6(six.s6_addr);
  return true;
}

std::string AddressText(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "an address that is not of the internet";
  if (address.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
  } else if (address.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof(text));
  }
  return text;
}

}  // namespace diptych::hub
