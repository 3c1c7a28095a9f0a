// One file of a repository: what the hub says of it, and its way into the cache.
#ifndef DIPTYCH_HUB_DOWNLOAD_H_
#define DIPTYCH_HUB_DOWNLOAD_H_

#include <cstdint>
#include <functional>
#include <string>

#include "core/status.h"
#include "hub/cache.h"
#include "hub/http.h"
#include "hub/hub.h"

namespace diptych::hub {

/// What every request to a hub carries.
struct Connection {
  const Environment& environment;
  HttpClient client = {};

  HttpRequest Request(const std::string& path) const;
};

/// What an answer of 400 or above means, in words of repositories, revisions and tokens. `what` was asked for.
Status HubFailure(const HttpResponse& response, const std::string& what, const Environment& environment);

struct RemoteFile {
  std::string name;
  std::string path;   // of its bytes, below the endpoint
  std::string blob;   // its etag: the SHA-256 of a large file, git's SHA-1 of a small one
  int64_t size = -1;  // bytes; -1 where the hub does not say
};

/// Asks for a file's etag and size.
Result<RemoteFile> DescribeFile(Connection& connection, const std::string& repo, const std::string& commit,
                                const std::string& name);

/// Brings the bytes into blobs/, unless they are there: resumed where an earlier attempt or another process ended,
/// tried again when the connection is cut, checked against the size and the checksum in the etag, renamed when
/// complete. `progress` is told how many bytes of the file are there.
Status DownloadBlob(Connection& connection, const RemoteFile& file, const RepoCache& cache,
                    const std::function<void(int64_t)>& progress);

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_DOWNLOAD_H_
