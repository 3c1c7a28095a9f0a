#include "hub/hub.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "core/file.h"
#include "core/json.h"
#include "hub/cache.h"
#include "hub/download.h"
#include "hub/url.h"

namespace diptych::hub {
namespace {

using Names = std::vector<std::string>;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Folder(const char* variable) {  // "~/x" is in the home folder
  std::string path = Variable(variable);
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, Variable("HOME"));
  return path;
}

bool IsTrue(const char* variable) {
  const std::string value = Lower(Variable(variable));
  return value == "1" || value == "on" || value == "yes" || value == "true";
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n"), end = text.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

bool IsName(const std::string& pattern) {
  return pattern.find_first_of("*?[") == std::string::npos;
}

Names Matching(const Names& files, const std::string& pattern) {
  Names matches;
  for (const std::string& file : files) {
    if (::fnmatch(pattern.c_str(), file.c_str(), 0) == 0) matches.push_back(file);
  }
  return matches;
}

// The first part that is missing of a file that is one of several: "model-00001-of-00003.safetensors".
std::string MissingPart(const Names& files, const std::string& file) {
  for (size_t at = file.find("-of-"); at != std::string::npos; at = file.find("-of-", at + 1)) {
    int number = 0, count = 0, length = 0;
    if (at < 6 || std::sscanf(file.c_str() + at - 6, "-%5d-of-%5d%n", &number, &count, &length) != 2) continue;
    if (length != 15) continue;
    for (int part = 1; part <= count; ++part) {
      char digits[12];
      std::snprintf(digits, sizeof(digits), "%05d", part);
      const std::string name = file.substr(0, at - 5) + digits + file.substr(at);
      if (!std::binary_search(files.begin(), files.end(), name)) return name;
    }
  }
  return "";
}

// What a list of files offers of what is asked for. `files` is sorted.
struct Selection {
  std::set<std::string> files;
  std::string missing;  // the first need that is not met, in words; or ""
};

struct FormFit {
  Names files;
  std::string missing;  // the first thing that this form lacks, or ""
  size_t matched = 0;   // patterns of it
};

FormFit FitForm(const Names& files, const Names& form) {
  FormFit fit;
  for (const std::string& pattern : form) {
    const Names matches = Matching(files, pattern);
    if (matches.empty() && fit.missing.empty()) fit.missing = pattern;
    fit.matched += matches.empty() ? 0 : 1;
    for (const std::string& file : matches) {
      if (fit.missing.empty()) fit.missing = MissingPart(files, file);
      fit.files.push_back(file);
    }
  }
  return fit;
}

// The first form that is whole. Of a need that is not met, what is missing is what the form lacks that is nearest to
// being whole; where there is nothing of any, the beginnings of all.
void SelectNeed(const Names& files, const Need& need, Selection* selection) {
  FormFit nearest;
  Names beginnings;
  for (const Names& form : need.forms) {
    FormFit fit = FitForm(files, form);
    if (fit.missing.empty()) {
      selection->files.insert(fit.files.begin(), fit.files.end());
      return;
    }
    if (std::find(beginnings.begin(), beginnings.end(), fit.missing) == beginnings.end()) {
      beginnings.push_back(fit.missing);
    }
    if (fit.matched > nearest.matched) nearest = std::move(fit);
  }
  if (!selection->missing.empty()) return;
  selection->missing = nearest.matched > 0 ? nearest.missing : fmt::format("{}", fmt::join(beginnings, " or "));
}

Selection Select(const Names& files, const SnapshotOptions& options) {
  Selection selection;
  for (const Need& need : options.needs) SelectNeed(files, need, &selection);
  for (const std::string& pattern : options.wants) {
    const Names matches = Matching(files, pattern);
    selection.files.insert(matches.begin(), matches.end());
  }
  if (options.needs.empty() && options.wants.empty()) selection.files.insert(files.begin(), files.end());
  return selection;
}

// Whether a cached snapshot can be used as it is. Of the files that are wanted by name each must be there, or the hub
// must once have said that there is none: what Python has not asked for yet may exist.
bool IsComplete(const RepoCache& cache, const std::string& commit, const SnapshotOptions& options) {
  if (options.needs.empty()) return false;  // then nobody knows what all of it would be
  if (!Select(cache.Files(commit), options).missing.empty()) return false;
  return std::all_of(options.wants.begin(), options.wants.end(), [&](const std::string& pattern) {
    return !IsName(pattern) || cache.Has(commit, pattern) || cache.IsKnownAbsent(commit, pattern);
  });
}

struct Listing {
  std::string commit;
  Names files;  // sorted
};

Result<Listing> ReadListing(const std::string& body, const std::string& where) {
  ASSIGN_OR_RETURN(const Json json, ParseJson(body, where));
  JsonReader reader(json, where);
  Listing listing;
  listing.commit = reader.String("sha", "");
  RETURN_IF_ERROR(reader.Check());
  const auto siblings = json.find("siblings");
  if (!IsCommit(listing.commit) || siblings == json.end() || !siblings->is_array()) {
    return Corrupt(where, "does not list a repository's commit and files");
  }
  for (const Json& sibling : *siblings) {
    JsonReader entry(sibling, where + ": siblings");
    const std::string name = entry.String("rfilename", "");
    RETURN_IF_ERROR(entry.Check());
    if (!IsFileName(name)) return Corrupt(where, "lists a file whose name leaves the folder: \"" + name + "\"");
    listing.files.push_back(name);
  }
  std::sort(listing.files.begin(), listing.files.end());
  return listing;
}

Result<Listing> ListRepository(Connection& connection, const std::string& repo, const std::string& revision) {
  HttpRequest request = connection.Request("/api/models/" + repo + "/revision/" + EscapeUrl(revision));
  request.max_bytes = int64_t{32} << 20;
  request.total_seconds = 60;
  std::string body;
  ASSIGN_OR_RETURN(const HttpResponse response,
                   connection.client.Perform(request, [&](const HttpResponse&, std::string_view piece) {
                     body += piece;
                     return Status::Ok();
                   }));
  if (response.status != 200) {
    return HubFailure(response, revision == "main" ? repo : repo + " at " + revision, connection.environment);
  }
  Result<Listing> listing = ReadListing(body, request.url);
  if (listing.ok()) return listing;
  return Corrupt(connection.environment.endpoint, "is not a model hub: " + listing.status().what(),
                 "check HF_ENDPOINT and the proxy settings");
}

// Brings `files` of a commit into its snapshot.
Status DownloadFiles(Connection& connection, const std::string& repo, const RepoCache& cache, const std::string& commit,
                     const std::set<std::string>& files, const SnapshotOptions& options) {
  std::vector<RemoteFile> remote;
  SnapshotOptions::Progress progress;
  for (const std::string& name : files) {
    if (cache.Has(commit, name)) continue;
    ASSIGN_OR_RETURN(RemoteFile file, DescribeFile(connection, repo, commit, name));
    progress.bytes_total += std::max<int64_t>(file.size, 0);
    remote.push_back(std::move(file));
  }
  for (const RemoteFile& file : remote) {
    const int64_t before = progress.bytes;
    progress.file = file.name;
    const auto report = [&](int64_t bytes) {
      progress.bytes = before + bytes;
      if (options.progress) options.progress(progress);
    };
    const Status status = DownloadBlob(connection, file, cache, report);
    if (!status.ok()) return status.Within(repo);
    report(std::max<int64_t>(file.size, 0));
    RETURN_IF_ERROR(cache.Link(file.blob, commit, file.name));
  }
  return Status::Ok();
}

// The error of a cache that lacks something, when the hub cannot be asked (for the reason `why`).
Status NotInCache(const std::string& repo, const RepoCache& cache, const std::string& missing, const std::string& why) {
  return NotFound(repo,
                  (missing.empty() ? "" : missing + " ") + "is not in the cache (" + cache.folder() + ") and " + why,
                  "run `diptych pull " + repo + "` where there is a network");
}

}  // namespace

Environment Environment::FromProcess() {
  Environment environment;
  if (std::string endpoint = Variable("HF_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    environment.endpoint = endpoint;
  }
  std::string home = Folder("HF_HOME");
  if (home.empty()) {
    const std::string user = Folder("XDG_CACHE_HOME");
    home = (user.empty() ? Variable("HOME") + "/.cache" : user) + "/huggingface";
  }
  environment.cache = Folder("HF_HUB_CACHE");
  if (environment.cache.empty()) environment.cache = Folder("HUGGINGFACE_HUB_CACHE");
  if (environment.cache.empty()) environment.cache = home + "/hub";
  environment.token = Trimmed(Variable("HF_TOKEN"));
  if (environment.token.empty()) environment.token = Trimmed(Variable("HUGGING_FACE_HUB_TOKEN"));
  if (environment.token.empty()) {
    const std::string path = Folder("HF_TOKEN_PATH");
    const Result<std::string> token = ReadFile(path.empty() ? home + "/token" : path, 4096);
    if (token.ok()) environment.token = Trimmed(*token);
  }
  if (IsTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) environment.token.clear();
  environment.offline = IsTrue("HF_HUB_OFFLINE") || IsTrue("TRANSFORMERS_OFFLINE");
  const double timeout = std::atof(Variable("HF_HUB_DOWNLOAD_TIMEOUT").c_str());
  if (timeout > 0) environment.stall_seconds = timeout;
  return environment;
}

Result<std::string> Snapshot(const std::string& repo, const SnapshotOptions& options, const Environment& environment) {
  if (!IsRepoId(repo)) return InvalidArgument(repo, "is not the name of a repository", "names look like org/name");
  if (!IsRevision(options.revision)) return InvalidArgument(repo, "\"" + options.revision + "\" is not a revision");
  const RepoCache cache(environment.cache, repo);
  const std::optional<std::string> cached = cache.CommitOf(options.revision);
  if (cached && !options.update && IsComplete(cache, *cached, options)) return cache.SnapshotFolder(*cached);
  const Selection present = Select(cached ? cache.Files(*cached) : Names(), options);
  const bool usable = cached && present.missing.empty() && !present.files.empty();
  if (environment.offline) {
    if (usable) return cache.SnapshotFolder(*cached);
    return NotInCache(repo, cache, present.missing, "HF_HUB_OFFLINE is set");
  }
  Connection connection{environment};
  const Result<Listing> listing = ListRepository(connection, repo, options.revision);
  if (!listing.ok()) {
    const Status& reason = listing.status();
    if (reason.code() != StatusCode::kUnavailable || options.update) return reason;
    if (usable) return cache.SnapshotFolder(*cached);
    if (present.missing.empty()) return reason;
    return Unavailable(reason.where(), reason.what() + ", and " + present.missing + " is not in the cache",
                       reason.hint());
  }
  const Selection selection = Select(listing->files, options);
  if (!selection.missing.empty()) {
    return NotFound(repo, "the repository has no " + selection.missing, "it may hold a model of another kind");
  }
  RETURN_IF_ERROR(cache.Prepare());
  RETURN_IF_ERROR(DownloadFiles(connection, repo, cache, listing->commit, selection.files, options));
  for (const std::string& name : options.wants) {
    if (!IsName(name) || !IsFileName(name) || selection.files.contains(name)) continue;
    RETURN_IF_ERROR(cache.MarkAbsent(listing->commit, name));
  }
  // Last: until everything is there, the revision stays what it was, so that an offline start still finds it whole.
  RETURN_IF_ERROR(cache.WriteRef(options.revision, listing->commit));
  return cache.SnapshotFolder(listing->commit);
}

}  // namespace diptych::hub
