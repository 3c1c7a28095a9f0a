#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/json_scanner.h"

namespace diptych {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference library's
constexpr size_t kMaxTensors = size_t{1} << 18;    // ours; the largest published models have some 20,000
constexpr size_t kMaxStoredRank = 32;
constexpr char kDamaged[] = "the file is damaged or incomplete: download it again";

struct StoredType {
  std::string_view name;
  int bits;
  std::optional<DType> dtype;
};

constexpr std::array<StoredType, 22> kStoredTypes = {{
    {"F32", 32, DType::kF32},         {"F16", 16, DType::kF16},     {"BF16", 16, DType::kBF16},
    {"F64", 64, DType::kF64},         {"I8", 8, DType::kI8},        {"U8", 8, DType::kU8},
    {"I16", 16, DType::kI16},         {"I32", 32, DType::kI32},     {"I64", 64, DType::kI64},
    {"BOOL", 8, DType::kBool},        {"U16", 16, std::nullopt},    {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},        {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt}, {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt}, {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, std::nullopt},
}};

const StoredType* FindStoredType(std::string_view name) {
  const auto it = std::find_if(kStoredTypes.begin(), kStoredTypes.end(), [&](const auto& t) { return t.name == name; });
  return it == kStoredTypes.end() ? nullptr : &*it;
}

// Reads the JSON text. Its own fields are checked here, what they say about the file in CheckLayout.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& path) : scan_(text), path_(path) {}

  Result<SafetensorsEntries> Read() {
    if (!scan_.Expect('{')) return Malformed();
    bool metadata_seen = false;
    if (!scan_.Take('}')) {
      do {
        std::string name;
        if (!scan_.String(&name) || !scan_.Expect(':')) return Malformed();
        if (name == "__metadata__") {
          if (std::exchange(metadata_seen, true)) return Corrupt(path_, "its header has __metadata__ twice", kDamaged);
          if (!ReadMetadata()) return Malformed();
          continue;
        }
        RETURN_IF_ERROR(ReadEntry(name));
      } while (scan_.Take(','));
      if (!scan_.Expect('}')) return Malformed();
    }
    if (!scan_.End()) return Malformed();
    return std::move(entries_);
  }

 private:
  Status Malformed() const {
    return Corrupt(path_,
                   "its header is not valid: " + scan_.problem() + " at byte " + std::to_string(scan_.position() + 8),
                   kDamaged);
  }
  Status Bad(const std::string& name, const std::string& what) const {
    return Corrupt(path_ + ": tensor " + QuotedTensorName(name), what, kDamaged);
  }

  bool ReadMetadata() {
    std::string ignored;
    if (!scan_.Expect('{')) return false;
    if (scan_.Take('}')) return true;
    do {
      if (!scan_.String(&ignored) || !scan_.Expect(':') || !scan_.String(&ignored)) return false;
    } while (scan_.Take(','));
    return scan_.Expect('}');
  }

  Status ReadEntry(const std::string& name) {
    if (entries_.size() == kMaxTensors) {
      return LimitExceeded(path_, "its header lists more than " + std::to_string(kMaxTensors) + " tensors");
    }
    SafetensorsEntry entry;
    bool has_dtype = false, has_shape = false, has_offsets = false;
    if (!scan_.Expect('{')) return Malformed();
    do {
      std::string field;
      if (!scan_.String(&field) || !scan_.Expect(':')) return Malformed();
      bool* seen = field == "dtype"          ? &has_dtype
                   : field == "shape"        ? &has_shape
                   : field == "data_offsets" ? &has_offsets
                                             : nullptr;
      if (seen == nullptr) return Bad(name, "has the unknown field " + QuotedTensorName(field));
      if (std::exchange(*seen, true)) return Bad(name, "has the field \"" + field + "\" twice");
      const bool read = field == "dtype"   ? scan_.String(&entry.stored_dtype)
                        : field == "shape" ? ReadShape(&entry.shape)
                                           : ReadOffsets(&entry);
      if (!read) return Malformed();
    } while (scan_.Take(','));
    if (!scan_.Expect('}')) return Malformed();
    if (!has_dtype) return Bad(name, "has no dtype");
    if (!has_shape) return Bad(name, "has no shape");
    if (!has_offsets) return Bad(name, "has no data_offsets");
    RETURN_IF_ERROR(CheckSize(name, &entry));
    if (!entries_.emplace(name, std::move(entry)).second) return Bad(name, "is listed twice");
    return Status::Ok();
  }

  bool ReadShape(std::vector<int64_t>* shape) {
    if (!scan_.Expect('[')) return false;
    if (scan_.Take(']')) return true;
    do {
      int64_t dim = 0;
      // One more than allowed is kept, so that CheckSize can say so; the rest is only passed over.
      if (!scan_.Unsigned(&dim)) return false;
      if (shape->size() <= kMaxStoredRank) shape->push_back(dim);
    } while (scan_.Take(','));
    return scan_.Expect(']');
  }

  bool ReadOffsets(SafetensorsEntry* entry) {
    return scan_.Expect('[') && scan_.Unsigned(&entry->begin) && scan_.Expect(',') && scan_.Unsigned(&entry->end) &&
           scan_.Expect(']');
  }

  // The bytes that dtype and shape need are the bytes that the offsets span.
  Status CheckSize(const std::string& name, SafetensorsEntry* entry) const {
    const StoredType* type = FindStoredType(entry->stored_dtype);
    if (type == nullptr) return Bad(name, "has the unknown dtype " + QuotedTensorName(entry->stored_dtype));
    entry->dtype = type->dtype;
    if (entry->shape.size() > kMaxStoredRank) {
      return Bad(name, "has more than " + std::to_string(kMaxStoredRank) + " dimensions");
    }
    int64_t bits = 1;
    bool overflow = false;
    for (const int64_t dim : entry->shape) overflow |= __builtin_mul_overflow(bits, dim, &bits);
    overflow |= __builtin_mul_overflow(bits, int64_t{type->bits}, &bits);
    if (overflow) return Bad(name, "has a shape whose size does not fit into 63 bits");
    if (bits % 8 != 0) return Bad(name, "ends in the middle of a byte");
    if (entry->begin > entry->end || entry->end - entry->begin != bits / 8) {
      return Bad(name, "needs " + std::to_string(bits / 8) +
                           " bytes by its dtype and shape, but its data_offsets are [" + std::to_string(entry->begin) +
                           ", " + std::to_string(entry->end) + "]");
    }
    return Status::Ok();
  }

  JsonScanner scan_;
  const std::string& path_;
  SafetensorsEntries entries_;
};

// The tensors cover the data from its first byte to its last, each byte once.
Status CheckLayout(const SafetensorsEntries& entries, size_t data_bytes, const std::string& path) {
  std::vector<const SafetensorsEntries::value_type*> order;
  order.reserve(entries.size());
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  int64_t covered = 0;
  for (const auto* item : order) {
    const auto& [name, entry] = *item;
    if (entry.begin != covered) {
      return Corrupt(path + ": tensor " + QuotedTensorName(name),
                     std::string(entry.begin < covered ? "overlaps the tensor before it" : "leaves a gap before it") +
                         ": it begins at " + std::to_string(entry.begin) + ", not at " + std::to_string(covered),
                     kDamaged);
    }
    covered = entry.end;
  }
  if (static_cast<uint64_t>(covered) != data_bytes) {
    return Corrupt(path,
                   "its header describes " + std::to_string(covered) + " bytes of tensors, the file has " +
                       std::to_string(data_bytes),
                   kDamaged);
  }
  return Status::Ok();
}

Status NotSafetensors(std::string_view text, const std::string& path) {
  if (text.starts_with("version https://git-lfs")) {
    return Corrupt(path, "is a Git LFS pointer, not the weights themselves", "run `git lfs pull` where it came from");
  }
  if (text.starts_with("PK")) {
    return Corrupt(path, "is a zip archive (a PyTorch checkpoint?), not a safetensors file");
  }
  return Status::Ok();
}

}  // namespace

Result<SafetensorsHeader> ReadSafetensorsHeader(ByteSpan bytes, const std::string& path) {
  if (bytes.size() < 8) {
    return Corrupt(path, "has " + std::to_string(bytes.size()) + " bytes, too few for a safetensors file", kDamaged);
  }
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  uint64_t size = 0;
  for (int i = 7; i >= 0; --i) size = size << 8 | bytes[static_cast<size_t>(i)];
  if (size > kMaxHeaderBytes) {
    RETURN_IF_ERROR(NotSafetensors(file, path));
    return Corrupt(path, "is not a safetensors file: its header would be " + std::to_string(size) +
                             " bytes long, the limit is " + std::to_string(kMaxHeaderBytes));
  }
  if (size > bytes.size() - 8) {
    return Corrupt(path,
                   "is truncated: its header is " + std::to_string(size) + " bytes long, the file only " +
                       std::to_string(bytes.size()),
                   kDamaged);
  }
  const std::string_view text = file.substr(8, size);
  if (!text.starts_with('{')) return Corrupt(path, "is not a safetensors file: its header does not begin with '{'");
  SafetensorsHeader header;
  ASSIGN_OR_RETURN(header.entries, HeaderReader(text, path).Read());
  header.data = bytes.subspan(8 + size);
  RETURN_IF_ERROR(CheckLayout(header.entries, header.data.size(), path));
  return header;
}

const char* SafetensorsName(DType dtype) {
  for (const StoredType& type : kStoredTypes) {
    if (type.dtype == dtype) return type.name.data();
  }
  return "";
}

std::string QuotedTensorName(const std::string& name) {
  size_t shown = std::min<size_t>(name.size(), 100);
  while (shown < name.size() && (name[shown] & 0xc0) == 0x80) --shown;  // not inside a UTF-8 sequence
  std::string text(1, '"');
  for (const char c : name.substr(0, shown)) text.push_back(static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? '?' : c);
  text += shown < name.size() ? "...\"" : "\"";
  return text;
}

}  // namespace diptych
