#include "hub/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace diptych::hub {
namespace {

struct Parser {
  CURLU* handle = ::curl_url();
  ~Parser() { ::curl_url_cleanup(handle); }
};

std::string Part(const Parser& parser, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(parser.handle, part, &text, flags) != CURLUE_OK) return "";
  const std::string copy = text;
  ::curl_free(text);
  return copy;
}

Result<Url> Read(const Parser& parser) {
  Url url;
  url.text = Part(parser, CURLUPART_URL);
  url.host = Lower(Part(parser, CURLUPART_HOST));
  const std::string scheme = Lower(Part(parser, CURLUPART_SCHEME));
  url.origin = scheme + "://" + url.host + ":" + Part(parser, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  ::curl_url_set(parser.handle, CURLUPART_USER, nullptr, 0);
  ::curl_url_set(parser.handle, CURLUPART_PASSWORD, nullptr, 0);
  url.shown = Part(parser, CURLUPART_URL);
  if (scheme != "http" && scheme != "https") return InvalidArgument(url.shown, "is not an http or https address");
  return url;
}

Result<Url> Parse(const std::string& base, const std::string& text) {
  const Parser parser;
  if (parser.handle == nullptr) return IoError(text, "cannot be parsed: out of memory");
  // curl resolves a relative reference against what the handle already holds.
  if (!base.empty()) ::curl_url_set(parser.handle, CURLUPART_URL, base.c_str(), 0);
  const CURLUcode code = ::curl_url_set(parser.handle, CURLUPART_URL, text.c_str(), 0);
  if (code == CURLUE_UNSUPPORTED_SCHEME) return InvalidArgument(text, "is not an http or https address");
  if (code != CURLUE_OK)
    return InvalidArgument(text, std::string("is not a web address: ") + ::curl_url_strerror(code));
  return Read(parser);
}

}  // namespace

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

Result<Url> ParseUrl(const std::string& text) {
  return Parse("", text);
}

Result<Url> ResolveUrl(const Url& base, const std::string& reference) {
  return Parse(base.text, reference);
}

std::string EscapeUrl(const std::string& text, bool keep_slashes) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/')) {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

}  // namespace diptych::hub
