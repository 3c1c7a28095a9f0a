#include "train/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace diptych::train {
namespace {

// Of the reflected polynomial 0x1EDC6F41.
constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}();

uint32_t MaskedCrc(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;  // TFRecord's mask
}

template <class T>
std::string LittleEndian(T value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof value; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

// Protocol-buffer fields.
enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
std::string Key(int field, WireType type) {
  return Varint(static_cast<uint64_t>(field << 3 | type));
}
std::string Double(int field, double value) {
  return Key(field, kFixed64) + LittleEndian(std::bit_cast<uint64_t>(value));
}
std::string Float(int field, float value) {
  return Key(field, kFixed32) + LittleEndian(std::bit_cast<uint32_t>(value));
}
std::string Bytes(int field, std::string_view value) {
  return Key(field, kBytes) + Varint(value.size()) + std::string(value);
}

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

Result<EventWriter> EventWriter::Create(const std::string& folder) {
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  const std::string path = folder + "/events.out.tfevents." + std::to_string(static_cast<int64_t>(Now())) + "." + host +
                           "." + std::to_string(getpid());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return IoError(path, std::string("cannot be written: ") + std::strerror(errno));
  EventWriter writer(path, file);
  RETURN_IF_ERROR(writer.WriteRecord(Double(1, Now()) + Bytes(3, "brain.Event:2")));
  return writer;
}

Status EventWriter::Write(int64_t step, std::span<const std::pair<std::string, double>> scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) summary += Bytes(1, Bytes(1, tag) + Float(2, static_cast<float>(value)));
  return WriteRecord(Double(1, Now()) + Key(2, kVarint) + Varint(static_cast<uint64_t>(step)) + Bytes(5, summary));
}

Status EventWriter::WriteRecord(std::string_view event) {
  const std::string length = LittleEndian(static_cast<uint64_t>(event.size()));
  const std::string record =
      length + LittleEndian(MaskedCrc(length)) + std::string(event) + LittleEndian(MaskedCrc(event));
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size() && std::fflush(file_.get()) == 0) {
    return Status::Ok();
  }
  return IoError(path_, std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace diptych::train
