#include "hub/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "hub/digest.h"
#include "hub/url.h"

namespace diptych::hub {
namespace {

constexpr int kAttempts = 5;  // without a new byte; each byte gives five more

// W/"abc" and "abc" are abc.
std::string EtagName(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

int64_t ParseSize(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::atoll(text.c_str());
}

// The checksum that a blob's name promises, if it is one of the hub's two kinds.
std::optional<Digest> ChecksumOf(const RemoteFile& file) {
  if (file.blob.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  if (file.blob.size() == 64) return Digest(Digest::Kind::kSha256);
  if (file.blob.size() != 40 || file.size < 0) return std::nullopt;
  Digest git(Digest::Kind::kSha1);  // git hashes a header with the content
  git.Update("blob " + std::to_string(file.size));
  git.Update(std::string_view("\0", 1));
  return git;
}

// The partial file of a blob: what has come, and its checksum so far.
class Partial {
 public:
  Partial(const RemoteFile& file, std::string path) : file_(file), path_(std::move(path)) {}
  ~Partial() {
    if (fd_ >= 0) ::close(fd_);
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  int64_t size() const { return size_; }
  bool complete() const { return size_ == file_.size; }

  /// Opens it and takes what is there already.
  Status Open() {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) return Failure();
    digest_ = ChecksumOf(file_);
    std::array<char, 1 << 16> buffer;
    ssize_t n;
    while ((n = ::read(fd_, buffer.data(), buffer.size())) > 0) {
      size_ += n;
      if (digest_) digest_->Update({buffer.data(), static_cast<size_t>(n)});
      if (file_.size >= 0 && size_ > file_.size) return Restart();  // not the beginning of this file
    }
    return n < 0 ? Failure() : Status::Ok();
  }

  Status Restart() {
    digest_ = ChecksumOf(file_);
    if (size_ == 0) return Status::Ok();
    size_ = 0;
    return ::ftruncate(fd_, 0) == 0 && ::lseek(fd_, 0, SEEK_SET) == 0 ? Status::Ok() : Failure();
  }

  Status Append(std::string_view bytes) {
    if (digest_) digest_->Update(bytes);
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failure();
      bytes.remove_prefix(static_cast<size_t>(n));
      size_ += n;
    }
    return Status::Ok();
  }

  /// The checksum fits the name. Nothing may be appended afterwards but through Restart().
  bool Verify() { return !digest_ || digest_->Finish() == file_.blob; }

  Status MoveTo(const std::string& blob) {
    if (::fsync(fd_) != 0 || ::rename(path_.c_str(), blob.c_str()) != 0) return Failure();
    return Status::Ok();
  }

  void Remove() { ::unlink(path_.c_str()); }

 private:
  Status Failure() const {
    const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return IoError(path_, std::string("cannot be written: ") + std::strerror(errno),
                   full ? "what has come is kept: free some space and run it again, or choose another folder with "
                          "HF_HUB_CACHE"
                        : "HF_HUB_CACHE chooses another folder for the cache");
  }

  const RemoteFile& file_;
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  std::optional<Digest> digest_;
};

// Saves an hour of downloading that could only end in a full disk.
Status CheckSpace(const RemoteFile& file, int64_t present, const std::string& folder) {
  struct statvfs info;
  if (::statvfs(folder.c_str(), &info) != 0) return Status::Ok();
  const auto free_bytes = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
  const auto needed = static_cast<double>(file.size - present);
  if (needed <= free_bytes) return Status::Ok();
  const auto megabytes = [](double bytes) { return std::to_string(static_cast<int64_t>(bytes / 1e6)) + " MB"; };
  return IoError(folder, file.name + " needs " + megabytes(needed) + " there, " + megabytes(free_bytes) + " are free",
                 "free some space or choose another folder with HF_HUB_CACHE");
}

// One request for what is missing. Unavailable means that another attempt may help.
Status FetchRest(Connection& connection, const RemoteFile& file, Partial* partial,
                 const std::function<void(int64_t)>& progress) {
  HttpRequest request = connection.Request(file.path);
  request.first_byte = partial->size();
  // No larger than announced, and an hour of bytes too many is not needed to see that.
  if (file.size >= 0) request.max_bytes = file.size;
  bool first_piece = true;
  const auto response = connection.client.Perform(request, [&](const HttpResponse& answer, std::string_view piece) {
    if (std::exchange(first_piece, false) && answer.status != 206) RETURN_IF_ERROR(partial->Restart());
    RETURN_IF_ERROR(partial->Append(piece));
    if (progress) progress(partial->size());
    return Status::Ok();
  });
  if (!response.ok()) return response.status();
  if (response->status == 416) {
    RETURN_IF_ERROR(partial->Restart());
    return Unavailable(file.name, "cannot be resumed");
  }
  if (response->status / 100 != 2) return HubFailure(*response, file.name, connection.environment);
  if (file.size >= 0 && !partial->complete()) {
    return Unavailable(file.name,
                       "ended after " + std::to_string(partial->size()) + " of " + std::to_string(file.size) + " bytes",
                       "try again");
  }
  return Status::Ok();
}

Status FetchAll(Connection& connection, const RemoteFile& file, Partial* partial,
                const std::function<void(int64_t)>& progress) {
  for (int attempt = 1;; ++attempt) {
    if (partial->complete()) return Status::Ok();
    const int64_t before = partial->size();
    const Status status = FetchRest(connection, file, partial, progress);
    if (status.ok() || status.code() != StatusCode::kUnavailable) return status;
    if (partial->size() > before) attempt = 0;
    if (attempt == kAttempts) return status;
    std::this_thread::sleep_for(std::chrono::duration<double>(connection.environment.retry_seconds));
  }
}

bool IsComplete(const std::string& blob, int64_t size) {
  struct stat info;
  return ::stat(blob.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (size < 0 || info.st_size == size);
}

}  // namespace

HttpRequest Connection::Request(const std::string& path) const {
  HttpRequest request;
  request.url = environment.endpoint + path;
  request.bearer_token = environment.token;
  request.allow_private = true;  // the endpoint is the user's own choice, and hubs stand in companies' networks
  request.stall_seconds = environment.stall_seconds;
  return request;
}

Status HubFailure(const HttpResponse& response, const std::string& what, const Environment& environment) {
  const std::string& code = response.Header("x-error-code");
  const std::string http = " (HTTP " + std::to_string(response.status) + ")";
  const bool refused = response.Header("x-error-message") == "Invalid credentials in Authorization header";
  if (code == "GatedRepo") {
    return Unavailable(what, "is gated: access must be asked for on its page at " + environment.endpoint + http,
                       environment.token.empty() ? "then set HF_TOKEN" : "HF_TOKEN's account has not been given it");
  }
  if (code == "RevisionNotFound") return NotFound(what, "the hub has no such revision" + http, "check its name");
  if (code == "EntryNotFound") return NotFound(what, "the repository has no such file" + http);
  if (response.status == 401 && refused) {
    return Unavailable(what, "the hub refuses the token" + http, "set HF_TOKEN to a valid one, or remove it");
  }
  if (code == "RepoNotFound" || response.status == 401 || response.status == 404) {
    return NotFound(what, "the hub has no such repository, or it is private" + http,
                    environment.token.empty() ? "check its name; a private one needs HF_TOKEN"
                                              : "check its name, and that HF_TOKEN may read it");
  }
  if (response.status == 403)
    return Unavailable(what, "the hub does not allow it" + http, "check what HF_TOKEN may read");
  if (response.status == 429) return Unavailable(what, "the hub is asked too often" + http, "wait, or set HF_TOKEN");
  return Unavailable(what, "the hub answered HTTP " + std::to_string(response.status), "try again later");
}

Result<RemoteFile> DescribeFile(Connection& connection, const std::string& repo, const std::string& commit,
                                const std::string& name) {
  RemoteFile file;
  file.name = name;
  file.path = "/" + repo + "/resolve/" + commit + "/" + EscapeUrl(name, true);
  HttpRequest request = connection.Request(file.path);
  request.head = true;
  request.follow_to_other_origins = false;  // what the hub says stands in the redirect to the storage itself
  ASSIGN_OR_RETURN(const HttpResponse response, connection.client.Perform(request));
  if (response.status >= 400) return HubFailure(response, repo + "/" + name, connection.environment);
  const std::string& linked = response.Header("x-linked-etag");
  file.blob = EtagName(linked.empty() ? response.Header("etag") : linked);
  if (!IsBlobName(file.blob)) {
    return Corrupt(connection.environment.endpoint, "is not a model hub: it names no checksum (ETag) for " + name,
                   "check HF_ENDPOINT and the proxy settings");
  }
  file.size = ParseSize(response.Header("x-linked-size"));
  if (file.size < 0 && response.status == 200) file.size = ParseSize(response.Header("content-length"));
  return file;
}

Status DownloadBlob(Connection& connection, const RemoteFile& file, const RepoCache& cache,
                    const std::function<void(int64_t)>& progress) {
  const std::string blob = cache.BlobPath(file.blob);
  ASSIGN_OR_RETURN(const FileLock lock, cache.Lock(file.blob));
  if (IsComplete(blob, file.size)) return Status::Ok();
  // Without a lock another process may write at the same time: each then has a file of its own.
  Partial partial(file, lock.held() ? blob + ".incomplete" : blob + "." + std::to_string(::getpid()) + ".incomplete");
  RETURN_IF_ERROR(partial.Open());
  RETURN_IF_ERROR(CheckSpace(file, partial.size(), cache.folder()));
  bool resumed = partial.size() > 0;
  while (true) {
    const Status status = FetchAll(connection, file, &partial, progress);
    if (!status.ok()) return status;
    if (partial.Verify()) return partial.MoveTo(blob);
    if (!std::exchange(resumed, false)) break;
    RETURN_IF_ERROR(partial.Restart());  // what was there before may have been another file's
  }
  partial.Remove();
  return Corrupt(connection.environment.endpoint + file.path, "its bytes do not have the checksum " + file.blob,
                 "run it again; if that does not help, the network or the hub changes what it sends");
}

}  // namespace diptych::hub
