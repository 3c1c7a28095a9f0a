#include "apps/inputs.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string_view>
#include <utility>

#include "apps/texts.h"
#include "core/braces.h"
#include "image/picture_files.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

std::string Suffix(const std::string& path) {
  return Lower(fs::path(path).extension().string());
}

bool IsAddress(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

// A picture that cannot be had, for `status`.
PictureRef Failure(const std::string& name, Status status) {
  return {.name = name, .read = [status]() -> Result<std::string> { return status; }};
}

}  // namespace

Result<std::unique_ptr<PictureInputs>> PictureInputs::Open(const InputOptions& options, Fetcher fetch) {
  std::unique_ptr<PictureInputs> inputs(new PictureInputs(std::move(fetch)));
  for (const std::string& argument : options.inputs) RETURN_IF_ERROR(inputs->Expand(argument));
  if (!options.files_from.empty()) RETURN_IF_ERROR(inputs->ExpandList(options.files_from));
  if (options.inputs.empty() && options.files_from.empty()) {
    return InvalidArgument("", "no pictures were given", "name files, folders, globs, .tar shards or addresses");
  }
  const bool countable = std::all_of(inputs->items_.begin(), inputs->items_.end(),
                                     [](const Item& item) { return item.kind == Kind::kPicture; });
  if (countable) inputs->total_ = static_cast<int64_t>(inputs->items_.size());
  return inputs;
}

Status PictureInputs::Expand(const std::string& argument) {
  std::error_code ignored;
  if (argument.empty()) return InvalidArgument("", "an input's name is empty");
  if (argument == "-") {
    if (list_seen_) return InvalidArgument("-", "standard input can be read only once");
    list_seen_ = true;
    items_.push_back({.kind = Kind::kStandardInput});
  } else if (IsAddress(argument) || fs::exists(argument, ignored)) {
    Add(argument, items_);
  } else {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ExpandBraces(argument));
    for (const std::string& name : names) {
      if (!ExpandGlob(name)) Add(name, items_);
    }
  }
  return Status::Ok();
}

Status PictureInputs::ExpandList(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path, "files-from"));
  for (const std::string& line : lines) {
    if (!line.empty()) Add(line, items_);
  }
  return Status::Ok();
}

// False where nothing matches: then the name is taken as it is, and its absence reported.
bool PictureInputs::ExpandGlob(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return false;
  glob_t found{};
  const bool any = ::glob(pattern.c_str(), 0, nullptr, &found) == 0;
  for (size_t i = 0; any && i < found.gl_pathc; ++i) Add(found.gl_pathv[i], items_);
  ::globfree(&found);
  return any;
}

void PictureInputs::Add(const std::string& path, std::deque<Item>& items) {
  std::error_code ignored;
  if (IsAddress(path)) {
    const Status none = Unsupported(path, "addresses cannot be fetched: no downloader is built in",
                                    "download the picture and give the file");
    if (!fetch_) return items.push_back({.ref = Failure(path, none)});
    items.push_back({.ref = {.name = path, .read = [fetch = fetch_, path] { return fetch(path); }}});
  } else if (fs::is_directory(path, ignored)) {
    std::vector<std::string> pictures;
    const Status status = ListPictures(path, pictures);
    for (std::string& picture : pictures) items.push_back({.ref = {.name = picture, .path = picture}});
    if (!status.ok()) {
      items.push_back({.ref = Failure(path, status)});
    } else if (pictures.empty()) {
      items.push_back({.ref = Failure(path, NotFound(path, "the folder holds no pictures"))});
    }
  } else if (Suffix(path) == ".tar") {
    items.push_back({.kind = Kind::kArchive, .ref = {.name = path, .path = path}});
  } else {
    items.push_back({.ref = {.name = path, .path = path}});
  }
}

void PictureInputs::Restrict(const ShardPart& part) {
  part_ = part;
  if (!total_) return;
  total_ = std::count_if(items_.begin(), items_.end(),
                         [&part](const Item& item) { return part.Has(StoredPath(item.ref.name)); });
}

std::optional<PictureRef> PictureInputs::Next() {
  while (true) {
    std::optional<PictureRef> ref = NextOfAll();
    if (!ref || part_.Has(StoredPath(ref->name))) return ref;
  }
}

std::optional<PictureRef> PictureInputs::NextOfAll() {
  while (true) {
    if (archive_) {
      if (std::optional<PictureRef> ref = NextOfArchive()) return ref;
      archive_.reset();
    }
    if (items_.empty()) return std::nullopt;
    if (items_.front().kind == Kind::kStandardInput) {
      std::string line;
      if (!std::getline(std::cin, line)) {
        items_.pop_front();
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.empty()) continue;
      std::deque<Item> found;
      Add(line, found);
      items_.insert(items_.begin(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
      if (items_.front().kind == Kind::kStandardInput) continue;
    }
    Item item = std::move(items_.front());
    items_.pop_front();
    if (item.kind == Kind::kPicture) return std::move(item.ref);
    if (std::optional<PictureRef> failure = OpenArchive(item.ref.path)) return failure;
  }
}

std::optional<PictureRef> PictureInputs::OpenArchive(const std::string& path) {
  Result<std::shared_ptr<const MappedFile>> file = MappedFile::Open(path);
  if (!file.ok()) return Failure(path, file.status());
  archive_.emplace(Archive{.name = path, .file = *file});
  archive_->reader = std::make_unique<TarReader>((*file)->bytes(), path);
  return std::nullopt;
}

std::optional<PictureRef> PictureInputs::NextOfArchive() {
  Archive& archive = *archive_;
  while (true) {
    Result<std::optional<TarEntry>> entry = archive.reader->Next();
    if (!entry.ok()) {
      archive.empty = false;
      return Failure(archive.name, entry.status());
    }
    if (!entry->has_value()) {
      if (!std::exchange(archive.empty, false)) return std::nullopt;
      return Failure(archive.name, NotFound(archive.name, "the archive holds no pictures"));
    }
    if (!HasPictureSuffix((*entry)->name)) continue;
    archive.empty = false;
    // The mapping lives as long as a worker may read from it; a page that was read is given back.
    return PictureRef{.name = archive.name + "/" + (*entry)->name,
                      .read = [file = archive.file, data = (*entry)->data]() -> Result<std::string> {
                        std::string bytes(reinterpret_cast<const char*>(data.data()), data.size());
                        ReleaseMappedPages(data.data(), data.size());
                        return bytes;
                      }};
  }
}

}  // namespace diptych
