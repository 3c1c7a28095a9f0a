#include "apps/dedup_output.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string_view>

#include "apps/html.h"
#include "apps/texts.h"
#include "core/json.h"
#include "core/output_file.h"
#include "core/tar.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

// webdataset's key of a member: its name up to the first dot of its last part.
std::string KeyOf(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
  return name.substr(0, dot);
}

Status WriteLines(const std::string& path, const std::vector<std::string>& lines) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  for (const std::string& line : lines) RETURN_IF_ERROR(file.Write(line + "\n"));
  return file.Commit();
}

Status WritePage(const DedupResult& result, const DedupOptions& options, const DecodeOptions& decode) {
  std::vector<CardGroup> groups;
  for (const DuplicateRow& row : result.rows) {
    if (row.keep) groups.push_back({.title = fmt::format("Group {}", row.group + 1)});
    Card card{.path = row.path, .title = fs::path(row.path).filename().string(), .dimmed = !row.keep};
    card.notes.push_back(row.keep ? "stays" : row.cosine ? fmt::format("{}, {:.3f}", row.tier, *row.cosine) : row.tier);
    groups.back().cards.push_back(std::move(card));
  }
  const DedupCounts& counts = result.counts;
  const std::string summary =
      fmt::format("{} pictures, {} groups; can go: {} exact, {} near, {} semantic{}.", counts.pictures, counts.groups,
                  counts.exact, counts.near, counts.semantic, DescribeRecall(counts));
  return WriteContactSheet(options.html, "Duplicates", summary, groups, decode);
}

// rename(2) where it can be, a copy and a removal between file systems.
Status Move(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return Status::Ok();
  fs::copy_file(from, to, error);
  if (!error) fs::remove(from, error);
  return error ? IoError(from.string(), "cannot be moved to " + to.string() + ": " + error.message()) : Status::Ok();
}

// A name in the folder that is not taken: a.jpg, a.1.jpg, a.2.jpg.
fs::path FreeName(const fs::path& folder, const fs::path& file, std::set<std::string>& taken) {
  for (int i = 0;; ++i) {
    const std::string number = i == 0 ? "" : "." + std::to_string(i);
    const fs::path name = folder / (file.stem().string() + number + file.extension().string());
    std::error_code ignored;
    if (!fs::exists(name, ignored) && taken.insert(name.string()).second) return name;
  }
}

std::string UndoFile(const std::string& folder) {
  return (fs::path(folder) / "undo.jsonl").string();
}

Result<bool> SameBytes(const std::string& a, const std::string& b) {
  ASSIGN_OR_RETURN(const auto x, MappedFile::Open(a));
  ASSIGN_OR_RETURN(const auto y, MappedFile::Open(b));
  return std::equal(x->bytes().begin(), x->bytes().end(), y->bytes().begin(), y->bytes().end());
}

}  // namespace

std::string DescribeRecall(const DedupCounts& counts) {
  if (counts.recall_pairs == 0) return "";
  return fmt::format("; of {} pairs of a sample {:.1f} % were found: at least {:.1f} % of all (95 % confidence)",
                     counts.recall_pairs, 100 * counts.recall, 100 * counts.recall_least);
}

Status FilterShard(const std::string& archive, const std::vector<std::string>& dropped, const std::string& out) {
  std::set<std::string> keys;
  for (const std::string& path : dropped) {
    if (path.starts_with(archive + "/")) keys.insert(KeyOf(path.substr(archive.size() + 1)));
  }
  ASSIGN_OR_RETURN(const auto mapped, MappedFile::Open(archive));
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(out));
  TarReader reader(mapped->bytes(), archive);
  while (true) {
    const size_t begin = reader.position();
    ASSIGN_OR_RETURN(const std::optional<TarEntry> entry, reader.Next());
    if (!entry) break;
    if (keys.contains(KeyOf(entry->name))) continue;
    // Folders and links before the entry are within the range, and stay.
    const ByteSpan bytes = mapped->bytes().subspan(begin, reader.position() - begin);
    RETURN_IF_ERROR(file.Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    RETURN_IF_ERROR(file.Write(std::string((512 - bytes.size() % 512) % 512, '\0')));
  }
  RETURN_IF_ERROR(file.Write(std::string(1024, '\0')));
  return file.Commit();
}

Status WriteDedupOutputs(const DedupResult& result, const DedupOptions& options, const std::vector<std::string>& inputs,
                         const DecodeOptions& decode) {
  std::vector<std::string> kept = result.unique, dropped;
  for (const DuplicateRow& row : result.rows) (row.keep ? kept : dropped).push_back(row.path);
  if (!options.keep_list.empty()) RETURN_IF_ERROR(WriteLines(options.keep_list, kept));
  if (!options.drop_list.empty()) RETURN_IF_ERROR(WriteLines(options.drop_list, dropped));
  if (!options.html.empty()) RETURN_IF_ERROR(WritePage(result, options, decode));
  if (options.shards.empty()) return Status::Ok();
  std::error_code error;
  fs::create_directories(options.shards, error);
  if (error) return IoError(options.shards, "cannot be made: " + error.message());
  for (const std::string& input : inputs) {
    RETURN_IF_ERROR(FilterShard(input, dropped, (fs::path(options.shards) / fs::path(input).filename()).string()));
  }
  return Status::Ok();
}

Status CheckMoveTarget(const std::string& folder) {
  std::error_code ignored;
  if (!fs::exists(UndoFile(folder), ignored)) return Status::Ok();
  return InvalidArgument(UndoFile(folder), "holds the moves of an earlier run",
                         "undo them, or name another folder: --move-to");
}

Result<int64_t> MoveDuplicates(const DedupResult& result, const std::string& folder, const SkipSink& skip) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError(folder, "cannot be made: " + error.message());
  RETURN_IF_ERROR(CheckMoveTarget(folder));
  const std::string undo = UndoFile(folder);
  struct Planned {
    std::string from, to;
  };
  std::vector<Planned> moves;
  std::set<std::string> taken = {undo};
  std::string keeper;
  for (const DuplicateRow& row : result.rows) {
    if (row.keep) keeper = row.path;
    if (row.keep || !fs::is_regular_file(row.path, error)) continue;  // members of archives are no files
    if (row.tier == "exact" && fs::is_regular_file(keeper, error)) {
      const Result<bool> same = SameBytes(row.path, keeper);
      if (!same.ok() || !*same) {
        const Status changed = InvalidArgument(row.path, "is not what " + keeper + " is any more", "index anew");
        if (skip) skip(row.path, same.ok() ? changed : same.status());
        continue;
      }
    }
    moves.push_back({row.path, FreeName(fs::absolute(folder), fs::path(row.path), taken).string()});
  }
  // The list is on the disk before the first file moves: whatever happens, it tells where each one is.
  std::vector<std::string> lines;
  for (const Planned& move : moves)
    lines.push_back(Json({{"from", move.from}, {"to", move.to}}).dump(-1, ' ', false, Json::error_handler_t::replace));
  RETURN_IF_ERROR(WriteLines(undo, lines));
  int64_t moved = 0;
  for (const Planned& move : moves) {
    const Status status = Move(move.from, move.to);
    if (status.ok()) {
      ++moved;
    } else if (skip) {
      skip(move.from, status);
    }
  }
  return moved;
}

Result<int64_t> UndoMoves(const std::string& path, const SkipSink& skip) {
  ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path, "undo"));
  int64_t moved = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string where = path + ":" + std::to_string(i + 1);
    ASSIGN_OR_RETURN(const Json json, ParseJson(lines[i], where));
    JsonReader reader(json, where);
    const std::string from = reader.String("from", ""), to = reader.String("to", "");
    RETURN_IF_ERROR(reader.Check());
    if (from.empty() || to.empty()) return Corrupt(where, "names no move");
    std::error_code ignored;
    if (!fs::exists(to, ignored)) continue;  // it was never moved, or is back already
    Status status = InvalidArgument(from, "is there again; " + to + " stays where it is");
    if (!fs::exists(from, ignored)) {
      fs::create_directories(fs::path(from).parent_path(), ignored);
      status = Move(to, from);
    }
    if (status.ok()) {
      ++moved;
    } else if (skip) {
      skip(from, status);
    }
  }
  return moved;
}

}  // namespace diptych
