// Addresses of the web, taken apart by libcurl's own parser: what is judged is what will be connected to.
#ifndef DIPTYCH_HUB_URL_H_
#define DIPTYCH_HUB_URL_H_

#include <string>

#include "core/status.h"

namespace diptych::hub {

struct Url {
  std::string text;    // normal form
  std::string origin;  // "https://host:443", lower case
  std::string host;    // lower case; numeric IPv4 in its usual form ("127.1" is "127.0.0.1")
  std::string shown;   // for messages: without user and password
};

/// Parses an absolute http or https address.
Result<Url> ParseUrl(const std::string& text);

/// `reference` as a document at `base` means it: the target of a redirect.
Result<Url> ResolveUrl(const Url& base, const std::string& reference);

/// Percent-encodes all but letters, digits and "-._~"; with `keep_slashes` '/' stays too.
std::string EscapeUrl(const std::string& text, bool keep_slashes = false);

/// With ASCII letters in lower case.
std::string Lower(std::string text);

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_URL_H_
