#include "checkpoint/torch_container.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/zip.h"

namespace diptych {
namespace {

constexpr char kDamaged[] = "the file is damaged or incomplete: download it again";
constexpr char kSaveAgain[] = "load it with PyTorch and save its state dict again, or as safetensors";

std::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---- the zip archive ----

// Everything lies in one folder of any name. Returns "folder/".
Result<std::string> FindFolder(const ZipEntries& entries, const std::string& path) {
  std::string folder;
  for (const auto& [name, entry] : entries) {
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash + 1) != "data.pkl") continue;
    if (!folder.empty()) return Corrupt(path, "holds more than one data.pkl: it is not a PyTorch checkpoint");
    folder = std::string(name.substr(0, slash + 1));
  }
  if (folder.empty()) {
    return Unsupported(path,
                       "is a zip archive without a data.pkl: it is not a PyTorch checkpoint of version 1.6 or later");
  }
  return folder;
}

bool HasCode(const ZipEntries& entries, const std::string& folder) {
  const auto code = entries.lower_bound(folder + "code/");
  return entries.contains(folder + "constants.pkl") ||
         (code != entries.end() && code->first.starts_with(folder + "code/"));
}

Result<TorchContainer> OpenZip(ByteSpan bytes, const std::string& path) {
  ASSIGN_OR_RETURN(ZipEntries entries, ReadZipDirectory(bytes, path));
  ASSIGN_OR_RETURN(const std::string folder, FindFolder(entries, path));
  const ZipEntry& program = entries.at(folder + "data.pkl");
  if (!program.stored) return Unsupported(path, "is compressed or encrypted, which checkpoints are not", kSaveAgain);
  const auto order = entries.find(folder + "byteorder");
  if (order != entries.end() && Text(order->second.data) == "big") {
    return Unsupported(path, "was written on a big-endian machine", kSaveAgain);
  }
  ASSIGN_OR_RETURN(Pickle pickle, Pickle::Read(program.data, path));
  const bool scripted = HasCode(entries, folder);
  TorchStorages storages = [entries = std::move(entries),
                            prefix = folder + "data/"](std::string_view key) -> std::optional<ByteSpan> {
    const auto entry = entries.find(prefix + std::string(key));
    if (entry == entries.end() || !entry->second.stored) return std::nullopt;
    return entry->second.data;
  };
  return TorchContainer{std::move(pickle), std::move(storages), scripted};
}

// ---- the legacy file: pickles in a row, then each storage behind its length ----

class LegacyReader {
 public:
  LegacyReader(ByteSpan bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  Result<TorchContainer> Read() {
    RETURN_IF_ERROR(ReadPreamble());
    ASSIGN_OR_RETURN(Pickle pickle, Next());
    ASSIGN_OR_RETURN(const Pickle keys, Next());
    if (keys.root().kind != PickleKind::kList) return Corrupt(path_, "has no list of storages", kDamaged);
    RETURN_IF_ERROR(ReadStorages(keys.root(), ElementBytes(pickle)));
    TorchStorages storages = [found = std::move(storages_)](std::string_view key) -> std::optional<ByteSpan> {
      const auto storage = found.find(key);
      return storage == found.end() ? std::nullopt : std::optional(storage->second);
    };
    return TorchContainer{std::move(pickle), std::move(storages)};
  }

 private:
  Result<Pickle> Next() {
    Result<Pickle> pickle = Pickle::Read(bytes_, path_);
    if (pickle.ok()) bytes_ = bytes_.subspan(pickle->size());
    return pickle;
  }

  Status ReadPreamble() {
    constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    constexpr int64_t kVersion = 1001;
    ASSIGN_OR_RETURN(const Pickle magic, Next());
    if (magic.root().kind != PickleKind::kLong || magic.root().text != kMagic) {
      return Corrupt(path_, "is a pickle, but not one that torch.save has written", kSaveAgain);
    }
    ASSIGN_OR_RETURN(const Pickle version, Next());
    if (version.root().kind != PickleKind::kInt || version.root().integer != kVersion) {
      return Unsupported(path_, "is of another version of the legacy format than 1001", kSaveAgain);
    }
    ASSIGN_OR_RETURN(const Pickle system, Next());
    const auto& items = system.root().items;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i]->text == "little_endian" && items[i + 1]->kind == PickleKind::kBool && items[i + 1]->integer == 0) {
        return Unsupported(path_, "was written on a big-endian machine", kSaveAgain);
      }
    }
    return Status::Ok();
  }

  // Of each storage by its key. The first mention decides, as it did when the file was written.
  static std::map<std::string_view, size_t> ElementBytes(const Pickle& pickle) {
    std::map<std::string_view, size_t> bytes;
    for (const PickleNode& node : pickle.nodes()) {
      if (const auto id = ReadTorchStorageId(node)) bytes.try_emplace(id->key, id->element_bytes);
    }
    return bytes;
  }

  Status ReadStorages(const PickleNode& keys, const std::map<std::string_view, size_t>& element_bytes) {
    for (const PickleNode* key : keys.items) {
      const std::string where = path_ + ": storage " + QuotedTensorName(std::string(key->text));
      const auto known = element_bytes.find(key->text);
      if (key->kind != PickleKind::kString || known == element_bytes.end()) {
        return Corrupt(where, "belongs to no tensor", kDamaged);
      }
      if (known->second == 0) return Unsupported(where, "is of a type that is not known", kSaveAgain);
      uint64_t elements = 0, size = 0;
      if (bytes_.size() < 8) return Corrupt(where, "is cut off", kDamaged);
      for (size_t i = 8; i-- > 0;) elements = elements << 8 | bytes_[i];
      bytes_ = bytes_.subspan(8);
      if (__builtin_mul_overflow(elements, uint64_t{known->second}, &size) || size > bytes_.size()) {
        return Corrupt(where,
                       "has " + std::to_string(elements) + " elements, but only " + std::to_string(bytes_.size()) +
                           " bytes follow",
                       kDamaged);
      }
      if (!storages_.try_emplace(std::string(key->text), bytes_.first(static_cast<size_t>(size))).second) {
        return Corrupt(where, "is there twice", kDamaged);
      }
      bytes_ = bytes_.subspan(static_cast<size_t>(size));
    }
    return Status::Ok();
  }

  ByteSpan bytes_;  // what is left to read
  const std::string& path_;
  std::map<std::string, ByteSpan, std::less<>> storages_;
};

}  // namespace

Result<TorchContainer> OpenTorchContainer(ByteSpan bytes, const std::string& path) {
  constexpr size_t kTarMagic = 257;
  const std::string_view file = Text(bytes);
  if (file.starts_with("PK\x03\x04")) return OpenZip(bytes, path);
  if (file.starts_with('\x80')) return LegacyReader(bytes, path).Read();
  if (file.starts_with("version https://git-lfs")) {
    return Corrupt(path, "is a Git LFS pointer, not the weights themselves", "run `git lfs pull` where it came from");
  }
  if (bytes.size() > kTarMagic && file.substr(kTarMagic).starts_with("ustar")) {
    return Unsupported(path, "is a tar archive of a PyTorch before 0.1.12", kSaveAgain);
  }
  return Corrupt(path, "is not a PyTorch checkpoint: it is neither a zip archive nor a pickle");
}

}  // namespace diptych
