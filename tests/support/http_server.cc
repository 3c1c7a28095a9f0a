#include "support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace diptych::testing_support {
namespace {

bool SendAll(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

HttpCall ParseCall(const std::string& head) {
  HttpCall call;
  std::istringstream lines(head);
  lines >> call.method >> call.target;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    call.headers[name] = line.substr(colon + 2);
  }
  return call;
}

// Cuts the body to what "Range: bytes=N-" or "bytes=N-M" asks for.
void ApplyRange(const HttpCall& call, HttpReply* reply) {
  const auto range = call.headers.find("range");
  size_t first = 0, last = 0;
  if (reply->status != 200 || range == call.headers.end()) return;
  const int fields = std::sscanf(range->second.c_str(), "bytes=%zu-%zu", &first, &last);
  if (fields < 1) return;
  const size_t size = reply->body.size();
  if (first >= size) {
    *reply = {416, {"Content-Range: bytes */" + std::to_string(size)}, ""};
    return;
  }
  last = fields == 2 ? std::min(last, size - 1) : size - 1;
  reply->status = 206;
  reply->headers.push_back("Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                           std::to_string(size));
  reply->body = reply->body.substr(first, last - first + 1);
}

}  // namespace

HttpServer::HttpServer(Handler handler, int port) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  socklen_t length = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    std::perror("test server");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  accept_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  accept_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
  }
  for (std::thread& worker : workers_) worker.join();
}

std::vector<std::string> HttpServer::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void HttpServer::Accept() {
  while (!stopping_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const int on = 1;  // head and body are two writes; together with delayed acknowledgements that costs 40 ms
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const std::lock_guard lock(mutex_);
    connections_.push_back(connection);
    workers_.emplace_back([this, connection] { Serve(connection); });
  }
}

void HttpServer::Serve(int connection) {
  std::string buffer;
  while (!stopping_ && ServeOne(connection, &buffer)) {
  }
  const std::lock_guard lock(mutex_);
  std::erase(connections_, connection);
  ::close(connection);
}

bool HttpServer::ServeOne(int connection, std::string* buffer) {
  size_t end;
  while ((end = buffer->find("\r\n\r\n")) == std::string::npos) {
    char piece[4096];
    const ssize_t n = ::recv(connection, piece, sizeof(piece), 0);
    if (n <= 0 || buffer->size() > 1 << 20) return false;
    buffer->append(piece, static_cast<size_t>(n));
  }
  const HttpCall call = ParseCall(buffer->substr(0, end));
  buffer->erase(0, end + 4);
  {
    const std::lock_guard lock(mutex_);
    const auto range = call.headers.find("range");
    calls_.push_back(call.method + " " + call.target + (range == call.headers.end() ? "" : " " + range->second));
  }
  HttpReply reply = handler_(call);
  ApplyRange(call, &reply);
  for (int waited = 0; waited < reply.delay_milliseconds && !stopping_; waited += 10) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\n";
  for (const std::string& header : reply.headers) head += header + "\r\n";
  const bool sized = std::any_of(reply.headers.begin(), reply.headers.end(),
                                 [](const std::string& header) { return header.starts_with("Content-Length:"); });
  if (!sized) head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  if (!SendAll(connection, head + "\r\n")) return false;
  if (call.method == "HEAD") return true;
  if (reply.cut_after >= 0) {
    SendAll(connection, std::string_view(reply.body).substr(0, static_cast<size_t>(reply.cut_after)));
    return false;
  }
  return SendAll(connection, reply.body);
}

}  // namespace diptych::testing_support
