#include "train/shard_dataset.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/check.h"
#include "core/file.h"
#include "core/tar.h"
#include "image/picture_files.h"
#include "train/captions.h"

namespace diptych::train {
namespace {

constexpr uint64_t kMaxSampleBytes = uint64_t{1} << 30;

enum class MemberKind : uint8_t { kOther, kPicture, kText, kJson, kLabel };

struct MemberName {
  std::string_view key;  // with the folder
  MemberKind kind = MemberKind::kOther;
};

// webdataset's base_plus_ext. Names without a key (".hidden", "folder/.x", "README") belong to no sample.
std::optional<MemberName> ParseName(std::string_view name) {
  const size_t slash = name.rfind('/');
  const size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return std::nullopt;
  MemberName member{name.substr(0, dot)};
  std::string suffix(name.substr(dot));
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (suffix.rfind('.') == 0 && HasPictureSuffix(name)) member.kind = MemberKind::kPicture;  // not KEY.mask.png
  if (suffix == ".txt") member.kind = MemberKind::kText;
  if (suffix == ".json") member.kind = MemberKind::kJson;
  if (suffix == ".cls") member.kind = MemberKind::kLabel;
  return member;
}

std::string BaseName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Status CheckText(ByteSpan bytes, const std::string& where) {
  if (bytes.size() <= kMaxCaptionBytes) return Status::Ok();
  return LimitExceeded(where, "a text of " + std::to_string(bytes.size()) + " bytes, the limit is 1 MiB");
}

}  // namespace

// Neighbouring members of one key.
struct ShardDataset::Group {
  std::string key;
  uint64_t begin = 0, end = 0;
  bool has_picture = false, has_caption = false, has_label = false;
};

Result<std::unique_ptr<Dataset>> ShardDataset::Open(const std::vector<std::string>& shards,
                                                    const DatasetOptions& options) {
  CHECK(!shards.empty());
  auto dataset = std::make_unique<ShardDataset>();
  dataset->shards_ = shards;
  dataset->templates_ = options.templates;
  const std::string classes = options.classes.empty() ? FindClasses(shards[0]) : options.classes;
  if (!classes.empty()) {
    ASSIGN_OR_RETURN(dataset->classes_, ReadClasses(classes));
  }
  for (uint32_t shard = 0; shard < shards.size(); ++shard) RETURN_IF_ERROR(dataset->Index(shard));
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status ShardDataset::Index(uint32_t shard) {
  begins_.push_back(size());
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(shards_[shard]));
  file->ExpectSparseReads();
  TarReader reader(file->bytes(), shards_[shard]);
  Group group;
  while (true) {
    const uint64_t begin = reader.position();
    const Result<std::optional<TarEntry>> entry = reader.Next();
    if (!entry.ok()) {
      if (begin == 0) return entry.status();  // not a tar file at all, or nothing left of it
      skipped_.Add(SkipReason::kDamagedShard, entry.status().ToString());
    }
    const bool at_end = !entry.ok() || !entry->has_value();
    if (at_end && begin == 0) skipped_.Add(SkipReason::kDamagedShard, shards_[shard] + ": holds no files");
    const std::optional<MemberName> member = at_end ? std::nullopt : ParseName((*entry)->name);
    if (at_end || (member && member->key != group.key)) {
      Add(group, shard);
      if (at_end) return Status::Ok();
      group = Group{.key = std::string(member->key), .begin = begin};
    }
    if (!member) continue;
    group.end = reader.position();
    group.has_picture |= member->kind == MemberKind::kPicture;
    group.has_caption |= member->kind == MemberKind::kText || member->kind == MemberKind::kJson;
    group.has_label |= member->kind == MemberKind::kLabel;
  }
}

void ShardDataset::Add(const Group& group, uint32_t shard) {
  const std::string name = BaseName(shards_[shard]) + "/" + group.key;
  const bool has_text = group.has_caption || (group.has_label && !classes_.empty());
  if (group.has_picture && has_text && group.end - group.begin <= kMaxSampleBytes) {
    samples_.push_back({group.begin, static_cast<uint32_t>(group.end - group.begin), shard});
  } else if (group.has_picture && has_text) {
    skipped_.Add(SkipReason::kUnreadable, name + ": more than 1 GiB");
  } else if (group.has_picture) {
    skipped_.Add(SkipReason::kNoCaption, name);
  } else if (group.has_caption || group.has_label) {
    skipped_.Add(SkipReason::kNoPicture, name);
  }
}

Result<Sample> ShardDataset::Read(int64_t index) const {
  const Extent& extent = samples_[static_cast<size_t>(index)];
  const std::string& path = shards_[extent.shard];
  ASSIGN_OR_RETURN(const std::string bytes, ReadFileRange(path, extent.begin, extent.size));
  TarReader reader({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path);
  Sample sample;
  Status json_status;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<TarEntry> entry, reader.Next());
    if (!entry) break;
    const std::optional<MemberName> member = ParseName(entry->name);
    if (!member) continue;
    if (sample.key.empty()) sample.key = BaseName(path) + "/" + std::string(member->key);
    const std::string where = BaseName(path) + "/" + entry->name;
    if (member->kind == MemberKind::kPicture) {
      if (sample.picture.empty()) sample.picture = Text(entry->data);
    } else if (member->kind != MemberKind::kOther) {
      RETURN_IF_ERROR(CheckText(entry->data, where));
      if (member->kind == MemberKind::kText) AddCaptions(Text(entry->data), &sample.captions);
      if (member->kind == MemberKind::kJson) json_status = AddJsonCaptions(Text(entry->data), where, &sample.captions);
      if (member->kind == MemberKind::kLabel) RETURN_IF_ERROR(ReadLabel(Text(entry->data), where, &sample));
    }
  }
  if (sample.captions.empty() && sample.label >= 0 && !classes_.empty()) {
    sample.captions = FillTemplates(templates_, classes_[static_cast<size_t>(sample.label)].name);
  }
  if (sample.captions.empty()) RETURN_IF_ERROR(json_status);
  return sample;
}

Status ShardDataset::ReadLabel(std::string_view text, const std::string& where, Sample* sample) const {
  text = Trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sample->label);
  if (error != std::errc() || end != text.data() + text.size() || sample->label < 0) {
    return Corrupt(where, "is not the row of a class");
  }
  if (!classes_.empty() && static_cast<size_t>(sample->label) >= classes_.size()) {
    return Corrupt(where,
                   "row " + std::to_string(sample->label) + " of " + std::to_string(classes_.size()) + " classes");
  }
  return Status::Ok();
}

std::string ShardDataset::NameOf(int64_t index) const {
  const Extent& extent = samples_[static_cast<size_t>(index)];
  return BaseName(shards_[extent.shard]) + " at byte " + std::to_string(extent.begin);
}

}  // namespace diptych::train
