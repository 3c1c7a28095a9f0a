#include "apps/search.h"

#include <fmt/format.h>

#include "apps/index.h"
#include "cli/exit_code.h"
#include "cli/run_command.h"
#include "cli/session.h"

namespace diptych::cli {
namespace {

constexpr CommandHelp kHelp = {"search", "Finds the pictures of a store that are nearest to words or pictures.",
                               "diptych search \"a dog on a beach\" --store photos.store\n"
                               "  diptych search --query \"2:a dog + ./beach.jpg - snow\" --where \"width > 1000\" \\\n"
                               "      --fdr 0.1 --top 200 --html found.html --store photos.store"};

struct SearchFormat {
  std::string format = "text";

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "format",
                .help = "of standard output; json is one object a line, paths is a path a line",
                .choices = "text|json|csv|paths"},
          format);
  }
};

struct Flags {
  SearchOptions search;
  ModelOptions model;
  PictureOptions picture;
  bool allow_private = false;

  template <class V>
  void Visit(V&& visit) {
    search.Visit(visit);
    model.Visit(visit);
    picture.VisitDecoding(visit);
    visit(Field{.name = "allow_private", .help = "fetch http(s) addresses of private networks too"}, allow_private);
  }
};

void PrintHits(const std::vector<SearchHit>& hits, const std::string& format, bool partial) {
  if (format == "csv") Print("path,score,chance\n");
  for (const SearchHit& hit : hits) {
    const std::string score = JsonNumber(static_cast<float>(hit.score));
    const std::string chance = hit.chance ? JsonNumber(static_cast<float>(*hit.chance)) : "";
    std::string line;
    if (format == "json") {
      line = fmt::format("{{\"path\":{},\"score\":{}", JsonString(hit.path), score);
      if (hit.chance) line += ",\"chance\":" + chance;
      line += partial ? ",\"partial\":true}\n" : "}\n";
    } else if (format == "csv") {
      line = fmt::format("{},{},{}\n", CsvField(hit.path), score, chance);
    } else if (format == "paths") {
      line = hit.path + "\n";
    } else {
      line = fmt::format("{:6.3f}  {}\n", hit.score, hit.path);
    }
    if (!Print(line)) return;
  }
}

// The store's own model unless another was asked for; then the store has to agree.
Result<std::unique_ptr<Clip>> ModelOf(const StoreIdentity& stored, const SearchOptions& search, ModelOptions options) {
  if (options.model.empty() && std::getenv("DIPTYCH_MODEL") == nullptr) options.model = stored.model;
  ASSIGN_OR_RETURN(std::unique_ptr<Clip> clip, OpenModel(options));
  RETURN_IF_ERROR(CheckSameModel(WithoutPassword(search.store), stored, IdentityOf(*clip, options.model)));
  return clip;
}

Result<int> Search(const Flags& flags, const std::string& format) {
  RETURN_IF_ERROR(CheckSearchOptions(flags.search));
  ASSIGN_OR_RETURN(const DecodeOptions decode, MakeDecodeOptions(flags.picture));
  ASSIGN_OR_RETURN(const OpenedStore store, OpenStore(flags.search.store));
  ASSIGN_OR_RETURN(const std::unique_ptr<Clip> clip, ModelOf(store.identity(), flags.search, flags.model));
  const Runtime runtime = {.threads = ThreadCount(flags.model),
                           .fetch = MakeFetcher({.allow_private = flags.allow_private})};
  ASSIGN_OR_RETURN(const BatchOptions batch, MakeBatchOptions(flags.picture, clip->config(), runtime));
  const SearchRequest request = {flags.search, batch};
  std::vector<Status> missing;
  ASSIGN_OR_RETURN(const std::vector<SearchHit> hits, SearchStore(*clip, store, request, runtime, &missing));
  if (!flags.search.html.empty()) RETURN_IF_ERROR(WriteHits(flags.search.html, flags.search, hits, decode));
  PrintHits(hits, format, !missing.empty());
  for (const Status& shard : missing) {
    fmt::print(stderr, "diptych search: partial: a shard did not answer: {}\n", shard.ToString());
  }
  const int code = FinishOutput(kHelp.name, Status::Ok());
  return code == kExitOk && !missing.empty() ? kExitSkipped : code;
}

}  // namespace

int RunSearch(const Arguments& arguments) {
  return RunCommand<Flags, SearchFormat>(kHelp, arguments, Search);
}

}  // namespace diptych::cli
