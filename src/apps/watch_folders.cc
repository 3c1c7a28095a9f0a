#include "apps/watch_folders.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "apps/folder_watch.h"
#include "core/check.h"

namespace diptych {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kQuiet(500);      // after a change: what comes in a burst is indexed at once
constexpr milliseconds kLongest(10000);  // but no longer than this
constexpr milliseconds kTick(1000);      // a request to stop that comes between two looks waits no longer
constexpr milliseconds kRetry(5000);

class Rounds {
 public:
  Rounds(const Clip& clip, const IndexRequest& request, const StoreIdentity& identity, const Runtime& runtime)
      : clip_(clip), request_(request), identity_(identity), runtime_(runtime) {}

  // A picture that cannot be read is met by every round: it is told of once, and again if the reason changes.
  Result<IndexSummary> Run() {
    std::map<std::string, std::string> skipped;
    Runtime runtime = runtime_;
    runtime.skip = [&](const std::string& path, const Status& reason) {
      const std::string text = reason.ToString();
      const auto known = skipped_.find(path);
      if (runtime_.skip && (known == skipped_.end() || known->second != text)) runtime_.skip(path, reason);
      skipped[path] = text;
    };
    ASSIGN_OR_RETURN(const std::unique_ptr<PictureInputs> inputs, PictureInputs::Open(request_.inputs, runtime.fetch));
    Result<IndexSummary> summary = IndexInto(clip_, *inputs, request_, identity_, runtime);
    skipped_ = std::move(skipped);
    return summary;
  }

 private:
  const Clip& clip_;
  const IndexRequest& request_;
  const StoreIdentity& identity_;
  const Runtime& runtime_;
  std::map<std::string, std::string> skipped_;  // of the last round
};

bool ChangedAnything(const IndexCounts& counts) {
  return counts.added + counts.changed + counts.renamed + counts.removed > 0;
}

}  // namespace

Status WatchFolders(const Clip& clip, const IndexRequest& request, const StoreIdentity& identity,
                    const Runtime& runtime, const WatchSinks& sinks) {
  CHECK(request.watch != nullptr);
  const std::atomic<bool>& stop = request.watch->stop;
  for (const std::string& input : request.inputs.inputs) {
    std::error_code ignored;
    if (std::filesystem::is_directory(input, ignored)) continue;
    return InvalidArgument(input, "is not a folder", "folders alone can be watched; index takes everything");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<FolderWatch> watch, FolderWatch::Open(request.inputs.inputs));
  Rounds rounds(clip, request, identity, runtime);
  bool first = true, due = true;
  while (!stop) {
    if (due) {
      const Result<IndexSummary> summary = rounds.Run();
      if (!summary.ok() && (first || summary.status().code() != StatusCode::kUnavailable)) return summary.status();
      if (!summary.ok()) {
        sinks.trouble(summary.status());
        for (const Clock::time_point end = Clock::now() + kRetry; !stop && Clock::now() < end;) {
          RETURN_IF_ERROR(watch->Wait(kTick).status());
        }
        continue;
      }
      if (first || ChangedAnything(summary->counts)) sinks.round(*summary);
      first = false;
    }
    ASSIGN_OR_RETURN(due, watch->Wait(kTick));
    const Clock::time_point begun = Clock::now();
    for (bool more = due; more && !stop && Clock::now() - begun < kLongest;) {
      ASSIGN_OR_RETURN(more, watch->Wait(kQuiet));
    }
  }
  return Status::Ok();
}

}  // namespace diptych
