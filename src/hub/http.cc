#include "hub/http.h"

#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "hub/address.h"
#include "hub/url.h"

namespace diptych::hub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxHeaderBytes = 64 << 10;

// The addresses of the environment's proxies, which may lie in a private network.
class Proxies {
 public:
  Proxies() {
    for (const char* variable : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
      const char* value = std::getenv(variable);
      if (value != nullptr && *value != '\0') Add(value);
    }
  }
  bool Contains(const sockaddr& address, socklen_t length) const {
    return std::any_of(addresses_.begin(), addresses_.end(), [&](const Address& proxy) {
      return proxy.length == length && std::memcmp(&proxy.storage, &address, length) == 0;
    });
  }

 private:
  struct Address {
    sockaddr_storage storage;
    socklen_t length;
  };

  void Add(const std::string& value) {
    CURLU* url = ::curl_url();
    char *host = nullptr, *port = nullptr;
    if (::curl_url_set(url, CURLUPART_URL, value.c_str(), CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        ::curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
      ::curl_url_get(url, CURLUPART_PORT, &port, 0);
      Resolve(host, port == nullptr ? "1080" : port);  // curl's default port of a proxy
    }
    ::curl_free(host);
    ::curl_free(port);
    ::curl_url_cleanup(url);
  }

  void Resolve(std::string host, const char* port) {
    if (host.front() == '[') host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (::getaddrinfo(host.c_str(), port, &hints, &list) != 0) return;
    for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
      Address address{{}, item->ai_addrlen};
      std::memcpy(&address.storage, item->ai_addr, item->ai_addrlen);
      addresses_.push_back(address);
    }
    ::freeaddrinfo(list);
  }

  std::vector<Address> addresses_;
};

// A write to a connection that the server has closed raises SIGPIPE inside TLS libraries. It is not for a library to
// change what the process does on a signal, so it is held back and thrown away in this thread alone.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec now{};
    if (!was_pending_) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

// The file of trusted certificates, or "" for the one that libcurl was built with. A libcurl that came along in a
// package was built on a system that keeps its certificates elsewhere, maybe; the places are those of Go's crypto/x509.
std::string CertificateFile(CURL* handle) {
  const char* named = std::getenv("SSL_CERT_FILE");
  if (named != nullptr && *named != '\0') return named;
  char* built_in = nullptr;
  ::curl_easy_getinfo(handle, CURLINFO_CAINFO, &built_in);
  if (built_in == nullptr || ::access(built_in, R_OK) == 0) return "";
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                           "/etc/pki/tls/cacert.pem", "/etc/ssl/cert.pem"}) {
    if (::access(file, R_OK) == 0) return file;
  }
  return "";
}

// One request and its answer, as libcurl's callbacks see them.
struct Exchange {
  const HttpRequest& request;
  const HttpSink& sink;
  const Proxies* proxies;  // null where any address is allowed
  HttpResponse response = {};
  size_t header_bytes = 0;
  int64_t body_bytes = 0;
  Status failure = {};  // what a callback ended the transfer for
  std::string refused_address = {};
};

curl_socket_t OpenSocket(void* context, curlsocktype, curl_sockaddr* address) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (exchange.proxies != nullptr && !IsGlobalAddress(address->addr) &&
      !exchange.proxies->Contains(address->addr, address->addrlen)) {
    exchange.refused_address = AddressText(address->addr);
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t TakeHeader(char* data, size_t, size_t size, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // a new answer: the one before was a proxy's or "100 Continue"
    exchange.response.headers.clear();
    const size_t space = line.find(' ');
    exchange.response.status = space == std::string_view::npos ? 0 : std::atoi(line.data() + space);
    return size;
  }
  const size_t colon = line.find(':');
  exchange.header_bytes += size;
  if (colon == std::string_view::npos || exchange.header_bytes > kMaxHeaderBytes) return size;
  const std::string name = Lower(std::string(line.substr(0, colon)));
  const size_t value = line.find_first_not_of(" \t", colon + 1);
  exchange.response.headers[name] = value == std::string_view::npos ? "" : std::string(line.substr(value));
  return size;
}

size_t TakeBody(char* data, size_t, size_t size, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (exchange.response.status / 100 != 2) return size;  // an error page
  exchange.body_bytes += static_cast<int64_t>(size);
  if (exchange.body_bytes > exchange.request.max_bytes) {
    exchange.failure =
        LimitExceeded("", "is larger than the limit of " + std::to_string(exchange.request.max_bytes) + " bytes");
    return 0;
  }
  if (!exchange.sink) return size;
  exchange.failure = exchange.sink(exchange.response, {data, size});
  return exchange.failure.ok() ? size : 0;
}

Status CurlFailure(CURLcode code, const char* detail, const std::string& shown) {
  constexpr char kCheckNetwork[] = "check the network and the proxy settings";
  const std::string reason = *detail != '\0' ? detail : ::curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return Unavailable(shown, "takes too long: " + reason, "try again later");
    case CURLE_FILESIZE_EXCEEDED: return LimitExceeded(shown, "is larger than the limit");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return Unavailable(shown, "cannot be reached: " + reason, kCheckNetwork);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR: return Unavailable(shown, "the connection was cut: " + reason, "try again");
    default: return Unavailable(shown, "cannot be fetched: " + reason);
  }
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Status RefuseAddress(const std::string& shown, const std::string& address) {
  return InvalidArgument(shown, address + " is not a public address", "--allow-private allows it");
}

std::string RedirectText(const Url& target, const Status& status) {
  return "it redirects to " + target.origin + ": " + status.what();
}

}  // namespace

const std::string& HttpResponse::Header(const std::string& name) const {
  static const std::string* const none = new std::string;
  const auto it = headers.find(name);
  return it == headers.end() ? *none : it->second;
}

struct HttpClient::Impl {
  CURL* handle = nullptr;
  std::array<char, CURL_ERROR_SIZE> detail{};

  Impl() {
    static std::once_flag once;
    std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
    handle = ::curl_easy_init();
  }
  ~Impl() { ::curl_easy_cleanup(handle); }

  void Set(CURLoption option, long value) { ::curl_easy_setopt(handle, option, value); }
  void SetSeconds(CURLoption option, double seconds) { Set(option, std::max(1L, static_cast<long>(seconds * 1000))); }

  // Options of one request; connections are kept, everything else is set anew.
  curl_slist* Configure(const Url& url, bool send_token, Exchange* exchange) {
    const HttpRequest& request = exchange->request;
    ::curl_easy_reset(handle);
    ::curl_easy_setopt(handle, CURLOPT_URL, url.text.c_str());
    ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(handle, CURLOPT_USERAGENT, "diptych");
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail.data());
    ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
    ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, exchange);
    ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &TakeHeader);
    ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, exchange);
    ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &TakeBody);
    ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, exchange);
    const std::string certificates = CertificateFile(handle);
    if (!certificates.empty()) ::curl_easy_setopt(handle, CURLOPT_CAINFO, certificates.c_str());
    Set(CURLOPT_NOSIGNAL, 1);
    Set(CURLOPT_NOPROGRESS, 1);
    if (request.head) Set(CURLOPT_NOBODY, 1);
    // A connection that an earlier request was allowed to open would not be checked again.
    if (exchange->proxies != nullptr) Set(CURLOPT_FRESH_CONNECT, 1);
    if (request.first_byte > 0) {
      ::curl_easy_setopt(handle, CURLOPT_RANGE, (std::to_string(request.first_byte) + "-").c_str());
    }
    SetSeconds(CURLOPT_CONNECTTIMEOUT_MS, request.connect_seconds);
    Set(CURLOPT_LOW_SPEED_LIMIT, 1);
    Set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.stall_seconds)));
    // Bytes are stored and hashed as they are served, so they must not come compressed.
    curl_slist* headers = ::curl_slist_append(nullptr, "Accept-Encoding: identity");
    if (send_token) headers = ::curl_slist_append(headers, ("Authorization: Bearer " + request.bearer_token).c_str());
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    return headers;
  }

  Status PerformOnce(const Url& url, bool send_token, Clock::time_point deadline, Exchange* exchange) {
    const HttpRequest& request = exchange->request;
    if (exchange->proxies != nullptr && !IsGlobalHost(url.host)) return RefuseAddress(url.shown, url.host);
    curl_slist* headers = Configure(url, send_token, exchange);
    if (request.total_seconds > 0) {
      const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
      SetSeconds(CURLOPT_TIMEOUT_MS, std::max(left, 0.001));
    }
    detail[0] = '\0';
    CURLcode code;
    {
      const WithoutSigpipe guard;
      code = ::curl_easy_perform(handle);
    }
    ::curl_slist_free_all(headers);
    if (!exchange->failure.ok()) return exchange->failure;
    if (code == CURLE_OK) return Status::Ok();
    if (!exchange->refused_address.empty()) return RefuseAddress(url.shown, exchange->refused_address);
    return CurlFailure(code, detail.data(), url.shown);
  }
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::Perform(const HttpRequest& request, const HttpSink& sink) {
  if (impl_->handle == nullptr) return IoError(request.url, "cannot be fetched: libcurl does not start");
  if (request.bearer_token.find_first_of("\r\n") != std::string::npos) {
    return InvalidArgument(request.url, "the token holds a line break");
  }
  ASSIGN_OR_RETURN(Url url, ParseUrl(request.url));
  const std::string asked = url.shown, first_origin = url.origin;
  const auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(request.total_seconds * 1000));
  std::unique_ptr<const Proxies> proxies;
  if (!request.allow_private) proxies = std::make_unique<Proxies>();
  for (int redirects = 0;; ++redirects) {
    Exchange exchange{request, sink, proxies.get()};
    const bool send_token = !request.bearer_token.empty() && url.origin == first_origin;
    const Status status = impl_->PerformOnce(url, send_token, deadline, &exchange);
    if (!exchange.failure.ok()) return status.where().empty() ? status.Within(asked) : status;
    // The target of a redirect is often a signed address, long and not to be shown.
    if (!status.ok() && redirects > 0) return Status(status.code(), asked, RedirectText(url, status), status.hint());
    if (!status.ok()) return status;
    exchange.response.url = url.text;
    const std::string& location = exchange.response.Header("location");
    if (!IsRedirect(exchange.response.status) || location.empty()) return std::move(exchange.response);
    ASSIGN_OR_RETURN(Url next, ResolveUrl(url, location));
    if (!request.follow_to_other_origins && next.origin != url.origin) return std::move(exchange.response);
    if (redirects == request.max_redirects) {
      return LimitExceeded(asked, "redirects more than " + std::to_string(request.max_redirects) + " times");
    }
    url = std::move(next);
  }
}

Result<std::string> FetchBytes(const std::string& url, const FetchLimits& limits) {
  HttpRequest request;
  request.url = url;
  request.allow_private = limits.allow_private;
  request.max_bytes = limits.max_bytes;
  request.max_redirects = limits.max_redirects;
  request.total_seconds = limits.seconds;
  HttpClient client;
  std::string body;
  ASSIGN_OR_RETURN(const HttpResponse response,
                   client.Perform(request, [&](const HttpResponse&, std::string_view piece) {
                     body += piece;
                     return Status::Ok();
                   }));
  ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  const std::string code = "HTTP " + std::to_string(response.status);
  if (response.status == 404 || response.status == 410) {
    return NotFound(parsed.shown, "does not exist there (" + code + ")", "check the address");
  }
  if (response.status == 401 || response.status == 403) {
    return Unavailable(parsed.shown, "the server refuses it (" + code + ")");
  }
  if (response.status != 200) return Unavailable(parsed.shown, "the server answered " + code);
  const std::string type = Lower(response.Header("content-type"));
  if (!limits.allow_html && (type.starts_with("text/html") || type.starts_with("application/xhtml"))) {
    return Corrupt(parsed.shown, "answers with a web page (" + type + "), not with the file itself",
                   "give the address of the picture, not of the page that shows it");
  }
  return body;
}

}  // namespace diptych::hub
