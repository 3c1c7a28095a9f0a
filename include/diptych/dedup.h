// Near-duplicates: of a collection, or between two.
#ifndef DIPTYCH_DEDUP_H_
#define DIPTYCH_DEDUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diptych/export.h"
#include "diptych/index.h"
#include "diptych/options.h"
#include "diptych/status.h"

namespace diptych {

struct DedupOptions {
  std::string store;
  std::string against;
  std::string tier = "semantic";
  double threshold = 0.95;
  int distance = 14;
  std::string keep = "best";
  std::string keep_list, drop_list, html, shards;
  bool apply = false;
  std::string move_to;
  std::string undo;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "store", .help = "the store of the pictures; kept up to date with DIR", .value = "S"}, store);
    visit(Field{.name = "against",
                .help = "find what this store holds too, such as test pictures among those of training",
                .value = "S2"},
          against);
    visit(Field{.name = "tier",
                .help = "what counts as a duplicate: the same bytes; the same picture; the same scene too",
                .choices = "exact|near|semantic"},
          tier);
    visit(Field{.name = "threshold", .help = "cosine of a semantic duplicate", .value = "X", .min = 0.5, .max = 1},
          threshold);
    visit(Field{.name = "distance",
                .help = "bits of 64 in which perceptual hashes of near duplicates differ at most, and five times "
                        "as many of 256",
                .value = "N",
                .min = 0,
                .max = 20},
          distance);
    visit(Field{.name = "keep",
                .help = "which of a group stays: by size, sharpness and bytes; by age; by SemDeDup's rule; by the "
                        "shortest path",
                .choices = "best|newest|oldest|central|outlying|first"},
          keep);
    visit(Field{.name = "keep_list", .help = "write the paths that stay, one a line", .value = "FILE"}, keep_list);
    visit(Field{.name = "drop_list", .help = "write the paths that can go, one a line", .value = "FILE"}, drop_list);
    visit(Field{.name = "html", .help = "write a page of the groups to look at", .value = "F.html"}, html);
    visit(Field{.name = "shards",
                .help = "write the .tar shards among the inputs anew, without duplicates",
                .value = "DIR"},
          shards);
    visit(Field{.name = "apply", .help = "move the files that can go; nothing is ever deleted"}, apply);
    visit(
        Field{
            .name = "move_to", .help = "where --apply moves them [duplicates, in the working folder]", .value = "DIR"},
        move_to);
    visit(Field{.name = "undo",
                .help = "move back what the undo file of an earlier --apply lists, and do no more",
                .value = "FILE"},
          undo);
  }
};

/// One picture of a group.
struct DuplicateRow {
  int64_t group = 0;  // from 0
  std::string path;
  bool keep = false;
  std::string tier;              // its likeness to the picture that is kept; of that one, the closest of the group
  std::optional<double> cosine;  // with the picture that is kept, where embeddings were compared
};

struct DedupCounts {
  int64_t pictures = 0, groups = 0;
  int64_t exact = 0, near = 0, semantic = 0;  // that can go
  /// Of the pairs that embeddings tell. The others, by their bytes and perceptual hashes, are all found.
  double recall = 1;         // share found of those that brute force finds for a sample of the pictures
  double recall_least = 0;   // of all of them, with 95 % confidence
  int64_t recall_pairs = 0;  // in that sample; 0: it says nothing
};

struct DedupAnswer {
  std::vector<DuplicateRow> rows;  // by group, the one that is kept first
  DedupCounts counts;
  int64_t moved = 0;                    // files, by apply or back again by undo
  std::vector<SkippedPicture> skipped;  // files that were not moved
};

/// Finds duplicates among the pictures of options.store, and does with them what the options say. `archives` are the
/// .tar shards to write anew where options.shards is set. `threads`: 0 is every processor there is. Errors: no store,
/// stores of different models, a file that cannot be written.
DIPTYCH_EXPORT Result<DedupAnswer> Dedup(const DedupOptions& options, const std::vector<std::string>& archives = {},
                                         int threads = 0);

}  // namespace diptych

#endif  // DIPTYCH_DEDUP_H_
