#include "hub/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <string>

namespace diptych::hub {
namespace {

// The verdict on numeric text, by both ways in.
bool IsGlobal(const std::string& text) {
  sockaddr_storage storage{};
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1) << text;
    six.sin6_family = AF_INET6;
  }
  const auto& address = reinterpret_cast<const sockaddr&>(storage);
  EXPECT_EQ(IsGlobalHost(text), IsGlobalAddress(address)) << text;
  EXPECT_EQ(AddressText(address), text);
  return IsGlobalAddress(address);
}

TEST(Address, PublicOnesAreGlobal) {
  for (const char* text :
       {"1.1.1.1",        "8.8.8.8",         "11.0.0.0",         "9.255.255.255",        "100.63.255.255",
        "100.128.0.0",    "126.255.255.255", "128.0.0.0",        "169.253.255.255",      "169.255.0.0",
        "172.15.255.255", "172.32.0.0",      "192.0.1.0",        "192.167.255.255",      "192.169.0.0",
        "198.17.255.255", "198.20.0.0",      "223.255.255.255",  "2606:4700:4700::1111", "2a00:1450::1",
        "2001:200::1",    "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(IsGlobal(text)) << text;
  }
}

TEST(Address, OthersAreNot) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.0.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "239.1.1.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "ff02::1",
                           "2001::1",
                           "2001:db8::1",
                           "3fff::1",
                           "100::1",
                           "4000::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::1",
                           "2002:a00:1::1",
                           "2002:7f00:1::1"}) {
    EXPECT_FALSE(IsGlobal(text)) << text;
  }
}

TEST(Address, HostsMayBeBracketedOrNames) {
  EXPECT_FALSE(IsGlobalHost("[::1]"));
  EXPECT_FALSE(IsGlobalHost("[fe80::1%eth0]"));
  EXPECT_TRUE(IsGlobalHost("[2606:4700:4700::1111]"));
  for (const char* host : {"localhost", "localhost.", "a.localhost", "127.0.0.1."}) EXPECT_FALSE(IsGlobalHost(host));
  EXPECT_TRUE(IsGlobalHost("example.org"));  // judged when it is connected to
}

TEST(Address, OtherFamiliesAreNotGlobal) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_FALSE(IsGlobalAddress(reinterpret_cast<const sockaddr&>(address)));
}

}  // namespace
}  // namespace diptych::hub
