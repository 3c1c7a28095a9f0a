#include "apps/dedup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "apps/dedup_output.h"
#include "apps/fingerprints.h"
#include "apps/index.h"
#include "cli/exit_code.h"
#include "cli/progress_view.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "index/remote.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"dedup", "Finds pictures that are the same: their bytes, their look, or their scene.",
                               "diptych dedup photos/ --html groups.html\n"
                               "  diptych dedup --store train.store --against test.store --drop-list leaks.txt\n"
                               "  diptych dedup photos/ --tier near --apply --move-to copies\n"
                               "  diptych dedup --undo copies/undo.jsonl"};

struct Flags {
  DedupOptions dedup;
  PictureFlags pictures;

  template <class V>
  void Visit(V&& visit) {
    dedup.Visit(visit);
    pictures.Visit(visit);
  }
};

// A store that is gone with the command.
class ScratchFolder {
 public:
  ScratchFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/diptych-dedup.XXXXXX";
    made_ = ::mkdtemp(path_.data()) != nullptr;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(path_, ignored);
  }
  bool made() const { return made_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool made_ = false;
};

void PrintRows(const DedupResult& result, const std::string& format) {
  if (format == "csv") Print("group,path,keep,tier,cosine\n");
  for (const DuplicateRow& row : result.rows) {
    const std::string cosine = row.cosine ? JsonNumber(static_cast<float>(*row.cosine)) : "";
    std::string line;
    if (format == "json") {
      line = fmt::format("{{\"group\":{},\"path\":{},\"keep\":{},\"tier\":\"{}\",\"cosine\":{}}}\n", row.group,
                         JsonString(row.path), row.keep, row.tier, row.cosine ? cosine : "null");
    } else if (format == "csv") {
      line = fmt::format("{},{},{},{},{}\n", row.group, CsvField(row.path), row.keep, row.tier, cosine);
    } else {
      line = row.keep ? fmt::format("group {}\n  keep      {}\n", row.group + 1, row.path)
                      : fmt::format("  {:<8}  {}\n", row.tier, row.path);
    }
    if (!Print(line)) return;
  }
}

void PrintSummary(const DedupCounts& counts) {
  fmt::print(stderr, "{} pictures, {} groups; can go: {} exact, {} near, {} semantic{}\n", WithCommas(counts.pictures),
             WithCommas(counts.groups), WithCommas(counts.exact), WithCommas(counts.near), WithCommas(counts.semantic),
             DescribeRecall(counts));
}

std::string MoveTarget(const Flags& flags) {
  return flags.dedup.move_to.empty() ? "duplicates" : flags.dedup.move_to;
}

Status ApplyMoves(const Flags& flags, const DedupResult& result, const SkipSink& skip) {
  const std::string folder = MoveTarget(flags);
  ASSIGN_OR_RETURN(const int64_t moved, MoveDuplicates(result, folder, skip));
  fmt::print(stderr, "{} files moved; back again: diptych dedup --undo {}/undo.jsonl\n", WithCommas(moved), folder);
  return Status::Ok();
}

Result<int> Undo(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::Start(kHelp.name, flags.pictures.run));
  Runtime runtime;
  run->Connect(runtime);
  RunCounts counts;
  const SkipSink skip = [&](const std::string& path, const Status& reason) {
    ++counts.skipped;
    runtime.skip(path, reason);
  };
  ASSIGN_OR_RETURN(counts.done, UndoMoves(flags.dedup.undo, skip));
  fmt::print(stderr, "{} files moved back\n", WithCommas(counts.done));
  return run->Finish(counts);
}

// What is the same by its bytes or its look can be told without a model, and without a store.
Result<DedupResult> FindByFingerprints(const Flags& flags, const DecodeOptions& decode, const Runtime& runtime) {
  ASSIGN_OR_RETURN(const std::unique_ptr<PictureInputs> inputs,
                   PictureInputs::Open(flags.pictures.input, runtime.fetch));
  return FindCopies(FingerprintPictures(*inputs, decode, runtime), flags.dedup, runtime);
}

Result<DedupResult> FindInStore(const Flags& flags, const std::string& folder, const Runtime& runtime) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
  std::unique_ptr<Store> against;
  if (!flags.dedup.against.empty()) {
    ASSIGN_OR_RETURN(against, Store::Open(flags.dedup.against));
  }
  return FindDuplicates(*store, against.get(), flags.dedup, runtime);
}

// Brings the store up to date with the inputs, if there are any, then looks into it.
Result<DedupResult> Find(const Flags& flags, const DecodeOptions& decode, Runtime& runtime, std::unique_ptr<Run>* run,
                         RunCounts* counts) {
  const PictureFlags& pictures = flags.pictures;
  const bool inputs = !pictures.input.inputs.empty() || !pictures.input.files_from.empty();
  const bool no_model = inputs && flags.dedup.store.empty() && flags.dedup.against.empty();
  if (!inputs || (no_model && NeedsNoEmbeddings(flags.dedup))) {
    ASSIGN_OR_RETURN(*run, Run::Start(kHelp.name, pictures.run));
    (*run)->Connect(runtime);
    if (!inputs) return FindInStore(flags, flags.dedup.store, runtime);
    const SkipSink tell = std::exchange(runtime.skip, {});
    runtime.skip = [&](const std::string& path, const Status& reason) { ++counts->skipped, tell(path, reason); };
    Result<DedupResult> found = FindByFingerprints(flags, decode, runtime);
    runtime.skip = tell;
    return found;
  }
  ScratchFolder scratch;
  if (!scratch.made()) return IoError(scratch.path(), "cannot be made", "set TMPDIR to a folder with some space");
  const std::string folder = flags.dedup.store.empty() ? scratch.path() : flags.dedup.store;
  {
    ASSIGN_OR_RETURN(PictureSession session, StartPictures(kHelp.name, pictures));
    ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                     Store::OpenForWriting(folder, IdentityOf(*session.clip, pictures.model.model)));
    ASSIGN_OR_RETURN(const IndexCounts indexed,
                     IndexPictures(*session.clip, *session.inputs, {.inputs = pictures.input, .batch = session.batch},
                                   *store, session.runtime));
    *counts = {.done = store->count(), .skipped = indexed.skipped};
    *run = std::move(session.run);
  }
  (*run)->Connect(runtime);
  return FindInStore(flags, folder, runtime);
}

Result<int> Dedup(const Flags& flags, const std::string& format) {
  if (!flags.dedup.undo.empty()) return Undo(flags);
  const bool inputs = !flags.pictures.input.inputs.empty() || !flags.pictures.input.files_from.empty();
  if (!inputs && flags.dedup.store.empty()) {
    return InvalidArgument("", "no pictures were given", "name folders, or a store: --store FOLDER");
  }
  if (IsRemoteAddress(flags.dedup.store) || IsRemoteAddress(flags.dedup.against)) {
    return Unsupported("dedup", "runs over stores in folders", "index the pictures into a folder");
  }
  ASSIGN_OR_RETURN(const DecodeOptions decode, MakeDecodeOptions(flags.pictures.picture));
  if (flags.dedup.apply) RETURN_IF_ERROR(CheckMoveTarget(MoveTarget(flags)));
  RunCounts counts;
  std::unique_ptr<Run> run;
  Runtime runtime{.threads = ThreadCount(flags.pictures.model), .fetch = MakeFetcher(flags.pictures.input)};
  ASSIGN_OR_RETURN(const DedupResult result, Find(flags, decode, runtime, &run, &counts));
  counts.done = std::max(counts.done, result.counts.pictures);
  std::vector<std::string> archives;
  for (const std::string& input : flags.pictures.input.inputs) {
    if (input.ends_with(".tar")) archives.push_back(StoredPath(input));
  }
  RETURN_IF_ERROR(WriteDedupOutputs(result, flags.dedup, archives, decode));
  PrintRows(result, format);
  PrintSummary(result.counts);
  if (flags.dedup.apply) {
    RETURN_IF_ERROR(ApplyMoves(flags, result, [&](const std::string& path, const Status& reason) {
      ++counts.skipped;
      runtime.skip(path, reason);
    }));
  }
  return run->Finish(counts);
}

}  // namespace

int RunDedup(const Arguments& arguments) {
  return RunCommand<Flags>(kHelp, arguments, Dedup);
}

}  // namespace diptych::cli
