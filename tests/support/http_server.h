// A small HTTP/1.1 server on the loopback for tests: answers come from a function, and may be cut, slow or wrong.
#ifndef DIPTYCH_TESTS_SUPPORT_HTTP_SERVER_H_
#define DIPTYCH_TESTS_SUPPORT_HTTP_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace diptych::testing_support {

struct HttpCall {
  std::string method, target;                  // "GET", "/a/b?c=d" (or a whole URL where the server plays a proxy)
  std::map<std::string, std::string> headers;  // names in lower case
};

struct HttpReply {
  int status = 200;
  std::vector<std::string> headers;  // "Name: value"; Content-Length comes by itself
  std::string body;
  int64_t cut_after = -1;      // closes the connection after so many bytes of the body
  int delay_milliseconds = 0;  // before the answer
};

/// Serves until it is destroyed; `handler` is called from many threads. Answers range requests for the body that the
/// handler gives, and HEAD without it.
class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpCall&)>;
  /// `port` 0 is any free one.
  explicit HttpServer(Handler handler, int port = 0);
  ~HttpServer();

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// Every call so far, as "METHOD target", with " bytes=N-" where a range was asked for.
  std::vector<std::string> calls() const;

 private:
  void Accept();
  void Serve(int connection);
  bool ServeOne(int connection, std::string* buffer);

  Handler handler_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  std::vector<int> connections_;
  std::vector<std::thread> workers_;
  std::thread accept_;
};

}  // namespace diptych::testing_support

#endif  // DIPTYCH_TESTS_SUPPORT_HTTP_SERVER_H_
