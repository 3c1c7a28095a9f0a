#include "support/fake_hub.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "hub/digest.h"

namespace diptych::testing_support {
namespace {

using Json = nlohmann::json;

std::string Sha256(const std::string& bytes) {
  hub::Digest digest(hub::Digest::Kind::kSha256);
  digest.Update(bytes);
  return digest.Finish();
}

std::string GitSha1(const std::string& bytes) {
  hub::Digest digest(hub::Digest::Kind::kSha1);
  digest.Update("blob " + std::to_string(bytes.size()) + std::string(1, '\0') + bytes);
  return digest.Finish();
}

std::string Unescape(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      plain.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

// Takes `prefix` off the front of `text`.
bool Take(const std::string& prefix, std::string* text) {
  if (!text->starts_with(prefix)) return false;
  text->erase(0, prefix.size());
  return true;
}

HttpReply Error(int status, const std::string& code, const std::string& message) {
  return {status,
          {"X-Error-Code: " + code, "X-Error-Message: " + message, "Content-Type: application/json"},
          Json({{"error", message}}).dump()};
}

HttpReply JsonReply(const Json& json) {
  return {200, {"Content-Type: application/json"}, json.dump()};
}

}  // namespace

FakeHub::FakeHub(int port) {
  storage_ = std::make_unique<HttpServer>([this](const HttpCall& call) { return AnswerStorage(call); });
  hub_ = std::make_unique<HttpServer>([this](const HttpCall& call) { return Answer(call); }, port);
}

std::string FakeHub::AddCommit(const std::string& repo, const std::string& revision,
                               const std::map<std::string, std::string>& files) {
  std::string identity = repo + revision;
  std::map<std::string, File> content;
  for (const auto& [name, bytes] : files) {
    content[name] = {bytes, GitSha1(bytes), Sha256(bytes)};
    identity += name + content[name].sha1;
  }
  const std::string commit = GitSha1(identity);
  const std::lock_guard lock(mutex_);
  for (const auto& [name, file] : content) stored_[file.sha256] = {name, file.bytes};
  repos_[repo].commits[revision] = commit;
  repos_[repo].content[commit] = std::move(content);
  return commit;
}

void FakeHub::Protect(const std::string& repo, const std::string& token, bool gated) {
  const std::lock_guard lock(mutex_);
  repos_[repo].token = token;
  repos_[repo].gated = gated;
}

void FakeHub::SetFault(const std::string& file, const Fault& fault) {
  const std::lock_guard lock(mutex_);
  faults_[file] = fault;
}

void FakeHub::ClearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void FakeHub::SetDown(bool down) {
  const std::lock_guard lock(mutex_);
  down_ = down;
}

std::vector<std::string> FakeHub::calls() const {
  std::vector<std::string> all = hub_->calls();
  for (const std::string& call : storage_->calls()) all.push_back(call);
  return all;
}

size_t FakeHub::CountCalls(const std::string& part) const {
  const std::vector<std::string> all = calls();
  return static_cast<size_t>(std::count_if(
      all.begin(), all.end(), [&](const std::string& call) { return call.find(part) != std::string::npos; }));
}

HttpReply FakeHub::WithFault(const std::string& file, HttpReply reply) {
  const auto it = faults_.find(file);
  if (it == faults_.end() || it->second.times-- <= 0) return reply;
  const Fault& fault = it->second;
  if (fault.status != 0) return {fault.status, {}, "fault"};
  reply.cut_after = fault.cut_after;
  reply.delay_milliseconds = fault.delay_milliseconds;
  if (fault.corrupt) reply.body[reply.body.size() / 2] ^= 1;
  return reply;
}

const FakeHub::Repo* FakeHub::FindRepo(std::string* path, std::string* name) const {
  for (const auto& [repo, content] : repos_) {
    if (Take(repo + "/", path)) {
      *name = repo;
      return &content;
    }
  }
  return nullptr;
}

HttpReply FakeHub::Answer(const HttpCall& call) {
  const std::lock_guard lock(mutex_);
  if (down_) return {503, {}, "down"};
  std::string path = call.target.substr(1, call.target.find('?') - 1), name;
  const bool resolved = Take("api/resolve-cache/models/", &path);
  const bool api = !resolved && Take("api/models/", &path);
  const Repo* repo = FindRepo(&path, &name);
  const auto token = call.headers.find("authorization");
  if (token != call.headers.end() && token->second != "Bearer good") {
    return Error(401, "", "Invalid credentials in Authorization header");
  }
  if (repo == nullptr) return Error(token == call.headers.end() ? 401 : 404, "RepoNotFound", "Repository not found");
  if (!repo->token.empty() && token == call.headers.end()) return Error(401, "RepoNotFound", "Repository not found");
  if (repo->gated) return Error(403, "GatedRepo", "Access to model " + name + " is restricted");
  if (api) return AnswerApi(*repo, name, path);
  if (!resolved && !Take("resolve/", &path)) return {404, {}, ""};
  HttpReply reply = AnswerResolve(*repo, name, path);
  if (resolved || reply.status != 200) return reply;
  const size_t slash = path.find('/');  // a small file is moved once, below the same origin
  reply.headers.push_back("Location: /api/resolve-cache/models/" + name + "/" + path.substr(0, slash) +
                          path.substr(slash));
  reply.status = 307;
  reply.body = "moved";
  return reply;
}

HttpReply FakeHub::AnswerApi(const Repo& repo, const std::string& name, const std::string& rest) {
  const size_t slash = rest.find('/');
  const std::string verb = rest.substr(0, slash);
  const std::string revision = slash == std::string::npos ? "main" : Unescape(rest.substr(slash + 1));
  const auto named = repo.commits.find(revision);
  const std::string commit = named == repo.commits.end() ? revision : named->second;
  const auto files = repo.content.find(commit);
  if (files == repo.content.end()) return Error(404, "RevisionNotFound", "Invalid rev id: " + revision);
  Json siblings = Json::array(), tree = Json::array();
  for (const auto& [path, file] : files->second) {
    siblings.push_back({{"rfilename", path}});
    Json entry = {{"type", "file"}, {"path", path}, {"size", file.bytes.size()}, {"oid", file.sha1}};
    if (file.bytes.size() >= kLargeFile) {
      entry["lfs"] = {{"oid", file.sha256}, {"size", file.bytes.size()}, {"pointerSize", 134}};
    }
    tree.push_back(entry);
  }
  if (verb == "tree") return JsonReply(tree);
  return JsonReply({{"id", name}, {"modelId", name}, {"sha", commit}, {"private", false}, {"siblings", siblings}});
}

HttpReply FakeHub::AnswerResolve(const Repo& repo, const std::string&, const std::string& rest) {
  const size_t slash = rest.find('/');
  const std::string revision = Unescape(rest.substr(0, slash));
  const std::string file = slash == std::string::npos ? "" : Unescape(rest.substr(slash + 1));
  const auto named = repo.commits.find(revision);
  const std::string commit = named == repo.commits.end() ? revision : named->second;
  const auto files = repo.content.find(commit);
  if (files == repo.content.end()) return Error(404, "RevisionNotFound", "Invalid rev id: " + revision);
  const auto found = files->second.find(file);
  if (found == files->second.end()) {
    HttpReply reply = Error(404, "EntryNotFound", "Entry not found");
    reply.headers.push_back("X-Repo-Commit: " + commit);
    return reply;
  }
  const auto& [bytes, sha1, sha256] = found->second;
  if (bytes.size() < kLargeFile) {
    return WithFault(file, {200, {"X-Repo-Commit: " + commit, "ETag: W/\"" + sha1 + "\""}, bytes});
  }
  const auto fault = faults_.find(file);
  const bool lies = fault != faults_.end() && fault->second.claimed_size >= 0;
  const std::string size = std::to_string(lies ? fault->second.claimed_size : static_cast<int64_t>(bytes.size()));
  return {302,
          {"X-Repo-Commit: " + commit, "X-Linked-Etag: \"" + sha256 + "\"", "X-Linked-Size: " + size,
           "ETag: \"" + sha1 + "\"",
           "Location: http://localhost:" + std::to_string(storage_->port()) + "/" + sha256 + "?signature=secret"},
          "moved"};
}

HttpReply FakeHub::AnswerStorage(const HttpCall& call) {
  const std::lock_guard lock(mutex_);
  if (call.headers.contains("authorization")) return {400, {}, "only one auth mechanism is allowed"};
  const auto found = stored_.find(call.target.substr(1, 64));
  if (found == stored_.end()) return {403, {}, "expired"};
  const auto& [file, bytes] = found->second;
  HttpReply reply = WithFault(file, {200, {"ETag: \"" + found->first.substr(0, 32) + "\""}, bytes});
  const auto fault = faults_.find(file);
  // A body that says its length and status itself is not cut to a range by the server.
  if (fault != faults_.end() && fault->second.ignore_range) reply.status = 203;
  return reply;
}

}  // namespace diptych::testing_support
