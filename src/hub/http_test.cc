#include "hub/http.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "hub/url.h"
#include "support/http_server.h"

namespace diptych::hub {
namespace {

using testing_support::HttpCall;
using testing_support::HttpReply;
using testing_support::HttpServer;

// Sets a variable of the environment for one test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

HttpReply Serve(const HttpCall& call) {
  const std::string& target = call.target;
  if (target == "/picture") return {200, {"Content-Type: image/png"}, "pixels"};
  if (target == "/page") return {200, {"Content-Type: Text/HTML; charset=utf-8"}, "<html>"};
  if (target == "/moved") return {302, {"Location: picture"}, "elsewhere"};
  if (target == "/loop") return {302, {"Location: /loop"}};
  if (target == "/away") return {302, {"Location: ftp://127.0.0.1/picture"}};
  if (target == "/to-name")
    return {302, {"Location: http://localhost:" + call.headers.at("host").substr(10) + "/token"}};
  if (target == "/to-token") return {302, {"Location: /token"}};
  if (target == "/token") {
    const auto token = call.headers.find("authorization");
    return {200, {}, token == call.headers.end() ? "none" : token->second};
  }
  if (target == "/large") return {200, {}, std::string(1'000'000, 'x')};
  if (target == "/endless") return {200, {"Content-Length: 99999999999"}, std::string(1'000'000, 'x')};
  if (target == "/cut") return {200, {}, std::string(1000, 'x'), 500};
  if (target == "/slow") return {200, {}, "late", -1, 60'000};
  if (target == "/forbidden") return {403, {}, "no"};
  if (target == "/broken") return {500, {}, "oops"};
  if (target == "http://pictures.example/cat.png") return {200, {}, "through the proxy"};
  return {404, {"Content-Type: text/html"}, "no such page"};
}

class Http : public testing::Test {
 protected:
  std::string At(const std::string& path) const { return server_.url() + path; }
  FetchLimits Private() const {
    FetchLimits limits;
    limits.allow_private = true;
    return limits;
  }
  // What went wrong, without the server's address, which changes from run to run.
  std::string ErrorOf(const std::string& path, FetchLimits limits) const {
    const Result<std::string> body = FetchBytes(At(path), limits);
    if (body.ok()) return "ok";
    EXPECT_TRUE(body.status().where().starts_with(At(path))) << body.status().ToString();
    return body.status().what();
  }
  HttpServer server_{Serve};
};

TEST_F(Http, FetchesABodyThroughRedirects) {
  EXPECT_EQ(*FetchBytes(At("/picture"), Private()), "pixels");
  EXPECT_EQ(*FetchBytes(At("/moved"), Private()), "pixels");
}

TEST_F(Http, WhatIsNoPictureIsRefused) {
  EXPECT_EQ(ErrorOf("/page", Private()),
            "answers with a web page (text/html; charset=utf-8), not with the file itself");
  EXPECT_EQ(ErrorOf("/none", Private()), "does not exist there (HTTP 404)");
  EXPECT_EQ(ErrorOf("/forbidden", Private()), "the server refuses it (HTTP 403)");
  EXPECT_EQ(ErrorOf("/broken", Private()), "the server answered HTTP 500");
  FetchLimits html = Private();
  html.allow_html = true;
  EXPECT_EQ(*FetchBytes(At("/page"), html), "<html>");
}

TEST_F(Http, HasLimits) {
  FetchLimits limits = Private();
  limits.max_bytes = 999'999;
  EXPECT_EQ(ErrorOf("/large", limits), "is larger than the limit of 999999 bytes");
  EXPECT_EQ(ErrorOf("/endless", limits), "is larger than the limit of 999999 bytes");
  limits.max_bytes = 1'000'000;
  EXPECT_EQ(FetchBytes(At("/large"), limits)->size(), 1'000'000u);
  EXPECT_EQ(ErrorOf("/loop", Private()), "redirects more than 5 times");
  limits.seconds = 0.3;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(ErrorOf("/slow", limits).find("takes too long"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(Http, FailuresOfTheNetworkAreNamed) {
  EXPECT_NE(ErrorOf("/cut", Private()).find("the connection was cut"), std::string::npos);
  const Result<std::string> refused = FetchBytes("http://127.0.0.1:1/x", Private());
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(refused.status().ToString().find("cannot be reached"), std::string::npos);
  EXPECT_EQ(FetchBytes("http://no-such-host.invalid/x").status().code(), StatusCode::kUnavailable);
}

TEST_F(Http, TheEnvironmentNamesTheTrustedCertificates) {
  const Variable certificates("SSL_CERT_FILE", "/no/such/certificates.pem");
  const auto body = FetchBytes("https" + At("/picture").substr(4), Private());
  EXPECT_NE(body.status().what().find("/no/such/certificates.pem"), std::string::npos) << body.status().ToString();
}

TEST_F(Http, PrivateAddressesAreRefusedBeforeAnythingIsSent) {
  EXPECT_EQ(ErrorOf("/picture", {}), "127.0.0.1 is not a public address");
  const std::string port = std::to_string(server_.port());
  for (const std::string host :
       {"127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "0", "localhost", "LOCALHOST", "a.localhost", "[::1]",
        "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "user:secret@127.0.0.1"}) {
    const Result<std::string> body = FetchBytes("http://" + host + ":" + port + "/picture");
    EXPECT_EQ(body.status().code(), StatusCode::kInvalidArgument) << host << " " << body.status().ToString();
    EXPECT_NE(body.status().what().find("is not a public address"), std::string::npos) << host;
    EXPECT_EQ(body.status().ToString().find("secret"), std::string::npos);
  }
  EXPECT_TRUE(server_.calls().empty());
}

// A name that leads to this machine passes every check of text; the socket's address is what gives it away.
TEST_F(Http, NamesThatLeadToThisMachineAreRefusedAtTheSocket) {
  char name[256] = "";
  ASSERT_EQ(::gethostname(name, sizeof(name)), 0);
  const Result<std::string> body =
      FetchBytes("http://" + std::string(name) + ":" + std::to_string(server_.port()) + "/picture");
  if (body.status().code() == StatusCode::kUnavailable) GTEST_SKIP() << "the host name has no address here";
  EXPECT_NE(body.status().what().find("is not a public address"), std::string::npos) << body.status().ToString();
  EXPECT_TRUE(server_.calls().empty());
}

TEST_F(Http, RedirectsToOtherSchemesAreRefused) {
  EXPECT_EQ(FetchBytes(At("/away"), Private()).status().what(), "is not an http or https address");
  EXPECT_EQ(FetchBytes("file:///etc/passwd").status().what(), "is not an http or https address");
  EXPECT_EQ(FetchBytes("not an address").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Http, AProxyMayBePrivateButIsNotAskedForPrivateHosts) {
  const Variable proxy("http_proxy", server_.url());
  EXPECT_EQ(*FetchBytes("http://pictures.example/cat.png"), "through the proxy");
  for (const char* url : {"http://127.0.0.1/x", "http://localhost/x", "http://localhost./x", "http://[fd00::1]/x"}) {
    EXPECT_NE(FetchBytes(url).status().what().find("is not a public address"), std::string::npos) << url;
  }
  EXPECT_EQ(server_.calls().size(), 1u);
}

TEST_F(Http, TheTokenStaysAtItsOrigin) {
  HttpClient client;
  HttpRequest request;
  request.allow_private = true;
  request.bearer_token = "secret";
  const auto body_of = [&](const std::string& path) {
    std::string body;
    request.url = At(path);
    const auto response = client.Perform(request, [&](const HttpResponse&, std::string_view piece) {
      body += piece;
      return Status::Ok();
    });
    return response.ok() ? body : response.status().ToString();
  };
  EXPECT_EQ(body_of("/token"), "Bearer secret");
  EXPECT_EQ(body_of("/to-token"), "Bearer secret");
  EXPECT_EQ(body_of("/to-name"), "none");
  request.bearer_token = "a\r\nX-Evil: 1";
  EXPECT_NE(body_of("/token").find("the token holds a line break"), std::string::npos);
}

TEST_F(Http, HeadRangesAndRedirectsAsAnswers) {
  HttpClient client;
  HttpRequest request;
  request.allow_private = true;
  request.url = At("/large");
  request.head = true;
  const auto head = client.Perform(request);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->Header("content-length"), "1000000");
  EXPECT_EQ(head->Header("x-none"), "");
  request.head = false;
  request.first_byte = 999'990;
  size_t bytes = 0;
  const auto rest = client.Perform(request, [&](const HttpResponse& response, std::string_view piece) {
    EXPECT_EQ(response.status, 206);
    bytes += piece.size();
    return Status::Ok();
  });
  EXPECT_EQ(rest->Header("content-range"), "bytes 999990-999999/1000000");
  EXPECT_EQ(bytes, 10u);
  request.first_byte = 0;
  request.url = At("/to-name");
  request.follow_to_other_origins = false;
  EXPECT_EQ(client.Perform(request)->status, 302);
}

TEST_F(Http, AnErrorOfTheSinkEndsTheTransfer) {
  HttpClient client;
  HttpRequest request;
  request.allow_private = true;
  request.url = At("/large");
  const auto response =
      client.Perform(request, [](const HttpResponse&, std::string_view) { return IoError("/disk", "is full"); });
  EXPECT_EQ(response.status().ToString(), "/disk: is full");
}

TEST(Url, IsTakenApart) {
  const Url url = *ParseUrl("HTTPS://User:Pass@Example.ORG/a%20b?q#f");
  EXPECT_EQ(url.origin, "https://example.org:443");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.shown.find("Pass"), std::string::npos);
  EXPECT_EQ(ResolveUrl(url, "../c")->shown, "https://Example.ORG/c");
  EXPECT_EQ(ResolveUrl(url, "//other.org/d")->origin, "https://other.org:443");
  EXPECT_EQ(ParseUrl("http://0x7f.1/")->host, "127.0.0.1");
  EXPECT_EQ(EscapeUrl("refs/pr 1"), "refs%2Fpr%201");
  EXPECT_EQ(EscapeUrl("a/b c\u00e9", true), "a/b%20c%C3%A9");
}

}  // namespace
}  // namespace diptych::hub
