#include "core/tar.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace diptych {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kMaxExtension = size_t{1} << 20;

std::string_view Text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A NUL-terminated field, or a full one without the NUL.
std::string_view Field(ByteSpan header, size_t offset, size_t size) {
  const std::string_view field = Text(header.subspan(offset, size));
  return field.substr(0, field.find('\0'));
}

// Octal with leading spaces and a trailing space or NUL; GNU writes sizes of 8 GiB and more in base 256.
std::optional<uint64_t> Number(ByteSpan field) {
  uint64_t value = 0;
  if ((field[0] & 0x80) != 0) {
    value = field[0] & 0x7f;
    for (const uint8_t byte : field.subspan(1)) {
      if ((value >> 55) != 0) return std::nullopt;  // 2^63 and more
      value = value << 8 | byte;
    }
    return value;
  }
  size_t i = 0;
  while (i < field.size() && field[i] == ' ') ++i;
  size_t digits = 0;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i, ++digits) {
    value = value << 3 | static_cast<uint64_t>(field[i] - '0');  // 12 digits: 36 bits
  }
  if (i < field.size() && field[i] != ' ' && field[i] != '\0') return std::nullopt;
  return digits == 0 && i < field.size() && field[i] != '\0' ? std::nullopt : std::optional(value);
}

// The sum of the header's bytes with the checksum field taken as spaces; old tars summed signed bytes.
bool ChecksumMatches(ByteSpan header) {
  const std::optional<uint64_t> stored = Number(header.subspan(148, 8));
  uint64_t plain = 0;
  int64_t with_sign = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const uint8_t byte = i >= 148 && i < 156 ? ' ' : header[i];
    plain += byte;
    with_sign += static_cast<int8_t>(byte);
  }
  return stored && (*stored == plain || static_cast<int64_t>(*stored) == with_sign);
}

bool IsZero(ByteSpan block) {
  return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

Result<std::optional<TarEntry>> TarReader::Next() {
  Result<std::optional<TarEntry>> entry = Find();
  if (!entry.ok() || !entry->has_value()) at_ = bytes_.size();
  return entry;
}

Result<std::optional<TarEntry>> TarReader::Find() {
  std::string long_name;  // from a GNU or pax header, for the next entry
  std::optional<uint64_t> long_size;
  while (at_ < bytes_.size()) {
    const std::string place = where_ + " at byte " + std::to_string(at_);
    if (bytes_.size() - at_ < kBlock) return Corrupt(place, "the archive is cut off within a header");
    const ByteSpan header = bytes_.subspan(at_, kBlock);
    if (IsZero(header)) return std::optional<TarEntry>();
    if (!ChecksumMatches(header)) {
      if (at_ == 0) return Corrupt(where_, "is not a tar archive", "compressed archives must be unpacked first");
      return Corrupt(place, "a header's checksum is wrong: the archive is damaged");
    }
    const char type = static_cast<char>(header[156]);
    const bool extension = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    std::optional<uint64_t> size = Number(header.subspan(124, 12));
    if (!extension && long_size) size = long_size;
    const size_t rest = bytes_.size() - at_ - kBlock;
    if (!size) return Corrupt(place, "a header's size is not a number");
    if (*size > rest)
      return Corrupt(place, "the archive is cut off: a file of " + std::to_string(*size) + " bytes, " +
                                std::to_string(rest) + " are left");
    const ByteSpan data = bytes_.subspan(at_ + kBlock, static_cast<size_t>(*size));
    const size_t padded = (data.size() + kBlock - 1) / kBlock * kBlock;
    at_ += kBlock + std::min(padded, rest);

    if (extension) {
      if (data.size() > kMaxExtension) return LimitExceeded(place, "an extension header is larger than 1 MiB");
      if (type == 'L') long_name = Field(data, 0, data.size());
      if (type == 'x') RETURN_IF_ERROR(ReadPax(data, &long_name, &long_size).Within(place));
      continue;
    }
    if (type == 'S') return Unsupported(place, "a sparse file", "archive it with plain tar");
    if (type == '0' || type == '\0' || type == '7') {
      TarEntry entry{std::move(long_name), data};
      if (entry.name.empty()) {
        const std::string_view prefix = Text(header.subspan(257, 6)) == std::string_view("ustar\0", 6)
                                            ? Field(header, 345, 155)
                                            : std::string_view();
        entry.name = prefix.empty() ? "" : std::string(prefix) + "/";
        entry.name += Field(header, 0, 100);
      }
      return std::optional<TarEntry>(std::move(entry));
    }
    long_name.clear();
    long_size.reset();
  }
  return std::optional<TarEntry>();
}

// Records "LENGTH key=value\n", LENGTH counting the whole record in decimal.
Status TarReader::ReadPax(ByteSpan data, std::string* name, std::optional<uint64_t>* size) const {
  const Status malformed = Corrupt("", "a pax header is malformed");
  std::string_view text = Text(data);
  while (!text.empty()) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || space == 0 || space > 7) return malformed;
    size_t length = 0;
    for (const char c : text.substr(0, space)) {
      if (c < '0' || c > '9') return malformed;
      length = length * 10 + static_cast<size_t>(c - '0');
    }
    if (length < space + 4 || length > text.size() || text[length - 1] != '\n') return malformed;
    const std::string_view record = text.substr(space + 1, length - space - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return malformed;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") *name = value;
    if (key == "size") {
      uint64_t number = 0;
      for (const char c : value) {
        if (c < '0' || c > '9' || number > (uint64_t{1} << 58)) return malformed;
        number = number * 10 + static_cast<uint64_t>(c - '0');
      }
      *size = number;
    }
    if (key.starts_with("GNU.sparse.")) return Unsupported("", "a sparse file", "archive it with plain tar");
    text.remove_prefix(length);
  }
  return Status::Ok();
}

}  // namespace diptych
