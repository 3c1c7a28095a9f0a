// A model hub on the loopback: the part of huggingface.co's interface that downloads need, with faults on request.
#ifndef DIPTYCH_TESTS_SUPPORT_FAKE_HUB_H_
#define DIPTYCH_TESTS_SUPPORT_FAKE_HUB_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "support/http_server.h"

namespace diptych::testing_support {

/// Small files are served by the hub itself behind a relative redirect, large ones ("LFS") from its storage: another
/// origin, which refuses requests that carry a token. Etags are git's SHA-1 and SHA-256, as on the real one.
class FakeHub {
 public:
  explicit FakeHub(int port = 0);

  /// What is wrong with one file's bytes; the first `times` requests for them are affected.
  struct Fault {
    int times = 1 << 30;
    int64_t cut_after = -1;      // the connection is closed after so many bytes
    bool corrupt = false;        // a byte is another
    bool ignore_range = false;   // 200 and everything, whatever was asked for
    int status = 0;              // instead of the file
    int64_t claimed_size = -1;   // instead of the true one, in the metadata
    int delay_milliseconds = 0;  // before the answer
  };

  /// Adds a commit with these files and lets `revision` point to it. Returns the commit.
  std::string AddCommit(const std::string& repo, const std::string& revision,
                        const std::map<std::string, std::string>& files);
  /// From now on `repo` needs this token. `gated`: even then it answers that access must be asked for.
  void Protect(const std::string& repo, const std::string& token, bool gated = false);
  void SetFault(const std::string& file, const Fault& fault);
  void ClearFaults();
  /// Every request is answered by 503 from now on, or is not.
  void SetDown(bool down);

  std::string url() const { return hub_->url(); }
  int port() const { return hub_->port(); }
  /// Requests so far, to the hub and to its storage.
  std::vector<std::string> calls() const;
  size_t CountCalls(const std::string& part) const;

  static constexpr size_t kLargeFile = 1000;  // bytes, and above

 private:
  struct File {
    std::string bytes, sha1, sha256;
  };
  struct Repo {
    std::map<std::string, std::string> commits;                  // revision -> commit
    std::map<std::string, std::map<std::string, File>> content;  // commit -> name -> file
    std::string token;
    bool gated = false;
  };

  HttpReply Answer(const HttpCall& call);
  HttpReply AnswerApi(const Repo& repo, const std::string& name, const std::string& rest);
  HttpReply AnswerResolve(const Repo& repo, const std::string& name, const std::string& rest);
  HttpReply AnswerStorage(const HttpCall& call);
  HttpReply WithFault(const std::string& file, HttpReply reply);
  const Repo* FindRepo(std::string* path, std::string* name) const;

  mutable std::mutex mutex_;
  std::map<std::string, Repo> repos_;
  std::map<std::string, std::pair<std::string, std::string>> stored_;  // sha256 -> file name, bytes
  std::map<std::string, Fault> faults_;
  bool down_ = false;
  std::unique_ptr<HttpServer> storage_, hub_;  // last: they answer as long as the rest is there
};

}  // namespace diptych::testing_support

#endif  // DIPTYCH_TESTS_SUPPORT_FAKE_HUB_H_
