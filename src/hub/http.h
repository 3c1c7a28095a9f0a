// A small HTTP client over libcurl: limits everywhere, and no connection to a private network unless it is allowed.
#ifndef DIPTYCH_HUB_HTTP_H_
#define DIPTYCH_HUB_HTTP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/status.h"

namespace diptych::hub {

struct HttpRequest {
  std::string url;           // http or https
  bool head = false;         // HEAD instead of GET
  std::string bearer_token;  // sent to the origin of `url` alone, never to where it redirects
  int64_t first_byte = 0;    // above 0: asks for the rest from there (the answer is 206, or 200 and all of it)

  /// Whether addresses that are not public may be connected to. The check is on the address of the socket, so neither a
  /// redirect nor a name server gets around it. A proxy of the environment may have any address; what it connects to
  /// is judged by the host's name alone.
  bool allow_private = false;
  bool follow_to_other_origins = true;  // false: such a redirect is the answer

  int64_t max_bytes = int64_t{1} << 50;
  int max_redirects = 5;
  double connect_seconds = 10;
  double stall_seconds = 30;  // without a single byte
  double total_seconds = 0;   // of the whole call; 0 is no limit
};

struct HttpResponse {
  int status = 0;                              // of the last answer: 200, 404, ...
  std::map<std::string, std::string> headers;  // its headers; names in lower case
  std::string url;                             // where it came from, after redirects

  /// A header, or "" where there is none.
  const std::string& Header(const std::string& name) const;
};

/// Takes the body piece by piece; an error ends the transfer and is returned. Called for answers 200 to 299 only.
using HttpSink = std::function<Status(const HttpResponse& response, std::string_view piece)>;

/// Keeps connections open from one call to the next. One thread at a time. Proxies are those of the environment
/// (http_proxy, https_proxy, all_proxy, no_proxy).
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any answer of a server is a success, 404 and 500 too. Errors: a refused address or URL, no connection, a time
  /// limit, a connection that was cut, a body that is too large, or what `sink` returned. Messages name the URL without
  /// its password.
  Result<HttpResponse> Perform(const HttpRequest& request, const HttpSink& sink = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct FetchLimits {
  int64_t max_bytes = int64_t{64} << 20;
  double seconds = 30;
  int max_redirects = 5;
  bool allow_private = false;
  bool allow_html = false;  // an HTML page is refused: it stands where a picture was expected
};

/// The body behind an http(s) address.
Result<std::string> FetchBytes(const std::string& url, const FetchLimits& limits = {});

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_HTTP_H_
