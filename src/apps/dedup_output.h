// What becomes of duplicates: lists, a page, shards without them, files moved aside.
#ifndef DIPTYCH_APPS_DEDUP_OUTPUT_H_
#define DIPTYCH_APPS_DEDUP_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/dedup.h"

namespace diptych {

/// "; of 1323 pairs of a sample 99.5 % were found: …": of those that embeddings tell. Empty where the sample had none.
std::string DescribeRecall(const DedupCounts& counts);

/// --keep-list, --drop-list, --html and --shards, as far as they are asked for. `inputs` are the archives to write
/// anew.
Status WriteDedupOutputs(const DedupResult& result, const DedupOptions& options, const std::vector<std::string>& inputs,
                         const DecodeOptions& decode);

/// A copy of an archive without the samples (all files of a key, as webdataset groups them) of the members in
/// `dropped`, stored paths "ARCHIVE/NAME". What stays is copied byte by byte.
Status FilterShard(const std::string& archive, const std::vector<std::string>& dropped, const std::string& out);

/// kInvalidArgument where the folder holds the moves of an earlier run: they could not be undone any more.
Status CheckMoveTarget(const std::string& folder);

/// Moves the files that can go into a folder, under their own names, and writes undo.jsonl there first: a line for each
/// {"from":…,"to":…}. Exact duplicates are compared byte by byte with the one that stays before they are moved. Members
/// of archives are left alone. Returns how many were moved.
Result<int64_t> MoveDuplicates(const DedupResult& result, const std::string& folder, const SkipSink& skip);

/// Moves back what an undo file lists; what has been put in its old place in the meantime is not replaced.
Result<int64_t> UndoMoves(const std::string& path, const SkipSink& skip);

}  // namespace diptych

#endif  // DIPTYCH_APPS_DEDUP_OUTPUT_H_
