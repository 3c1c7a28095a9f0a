// Models by name: downloaded from a hub of Hugging Face's kind into the cache that its Python library uses.
#ifndef DIPTYCH_HUB_HUB_H_
#define DIPTYCH_HUB_HUB_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/status.h"

namespace diptych::hub {

/// Where to look and as whom.
struct Environment {
  std::string endpoint = "https://huggingface.co";
  std::string cache;  // a folder
  std::string token;  // or ""
  bool offline = false;
  double stall_seconds = 30;  // without a byte, then the connection counts as cut
  double retry_seconds = 1;   // pause before it is tried again

  /// As the Python library reads it: HF_ENDPOINT; HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME;
  /// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME/token (none with HF_HUB_DISABLE_IMPLICIT_TOKEN);
  /// HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE; HF_HUB_DOWNLOAD_TIMEOUT.
  static Environment FromProcess();
};

/// Something that a repository must have, in one of several forms, the preferred one first. A form is a list of
/// patterns
/// (`*`, `?`, `[...]`; `*` also crosses '/'), and each of them must match a file. Of numbered parts ("-00001-of-00003")
/// all must be there.
struct Need {
  std::vector<std::vector<std::string>> forms;
};

struct SnapshotOptions {
  std::string revision = "main";   // branch, tag or commit
  std::vector<Need> needs;         // for each, the first form that the repository has
  std::vector<std::string> wants;  // patterns of what is taken as well if it is there
  // Without needs and wants: every file.

  /// false: a cached snapshot that has all of it is taken without asking the hub whether the revision has moved.
  bool update = false;

  struct Progress {
    std::string file;         // being downloaded
    int64_t bytes = 0;        // of all files of this call, so far
    int64_t bytes_total = 0;  // what is left to download when the call begins
  };
  std::function<void(const Progress&)> progress;
};

/// Downloads what is missing and returns the folder with the files (links into the cache). `repo` is "org/name".
/// Safe beside other processes, Python's among them, that download the same. After an error the cache is as usable as
/// before, and what has come is kept for the next attempt.
Result<std::string> Snapshot(const std::string& repo, const SnapshotOptions& options,
                             const Environment& environment = Environment::FromProcess());

}  // namespace diptych::hub

#endif  // DIPTYCH_HUB_HUB_H_
