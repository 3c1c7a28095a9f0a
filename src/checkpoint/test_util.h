// For tests of the containers: archives built by hand.
#ifndef DIPTYCH_CHECKPOINT_TEST_UTIL_H_
#define DIPTYCH_CHECKPOINT_TEST_UTIL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace diptych {

inline std::string LittleEndian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return bytes;
}

struct ZipBuilderEntry {
  std::string name, content;
  uint64_t packed, unpacked, offset;  // as the directory says
  uint64_t method = 0, flags = 0;
};

// Builds archives by hand, so that every number in them can be a lie.
struct ZipBuilder {
  std::vector<ZipBuilderEntry> entries;
  std::string local, comment;
  bool zip64 = false;
  uint64_t count = 0, directory_offset = 0;
  uint64_t directory_bytes = 0;  // 0: the true number

  void Add(const std::string& name, const std::string& content) {
    entries.push_back({name, content, content.size(), content.size(), local.size()});
    // As a streaming writer does: sizes stand behind the data, and only the directory can be trusted.
    local += "PK\3\4" + LittleEndian(45, 2) + LittleEndian(8, 2) + LittleEndian(0, 18) + LittleEndian(name.size(), 2) +
             LittleEndian(3, 2) + name + "pad" + content + "PK\7\10" + LittleEndian(0, 12);
    ++count;
  }

  std::string Finish(const std::function<void(ZipBuilder&)>& lie = nullptr) {
    directory_offset = local.size();
    if (lie) lie(*this);
    std::string directory;
    for (const ZipBuilderEntry& e : entries) {
      const std::string extra = zip64 ? LittleEndian(0x7075, 2) + LittleEndian(1, 2) + "x" + LittleEndian(1, 2) +
                                            LittleEndian(24, 2) + LittleEndian(e.unpacked, 8) +
                                            LittleEndian(e.packed, 8) + LittleEndian(e.offset, 8)
                                      : "";
      const auto sized = [&](uint64_t value) { return LittleEndian(zip64 ? 0xffffffff : value, 4); };
      directory += "PK\1\2" + LittleEndian(45, 4) + LittleEndian(e.flags, 2) + LittleEndian(e.method, 2) +
                   LittleEndian(0, 8) + sized(e.packed) + sized(e.unpacked) + LittleEndian(e.name.size(), 2) +
                   LittleEndian(extra.size(), 2) + LittleEndian(0, 10) + sized(e.offset) + e.name + extra;
    }
    if (directory_bytes == 0) directory_bytes = directory.size();
    std::string file = local + directory;
    if (zip64) {
      const uint64_t end = file.size();
      file += "PK\6\6" + LittleEndian(44, 8) + LittleEndian(45, 4) + LittleEndian(0, 8) + LittleEndian(count, 8) +
              LittleEndian(count, 8) + LittleEndian(directory_bytes, 8) + LittleEndian(directory_offset, 8);
      file += "PK\6\7" + LittleEndian(0, 4) + LittleEndian(end, 8) + LittleEndian(1, 4);
    }
    const auto sized = [&](uint64_t value, int size) { return LittleEndian(zip64 ? ~uint64_t{0} : value, size); };
    return file + "PK\5\6" + LittleEndian(0, 4) + sized(count, 2) + sized(count, 2) + sized(directory_bytes, 4) +
           sized(directory_offset, 4) + LittleEndian(comment.size(), 2) + comment;
  }
};

}  // namespace diptych

#endif  // DIPTYCH_CHECKPOINT_TEST_UTIL_H_
