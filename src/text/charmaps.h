// The single-byte code pages that text is mistakenly read in. Written by tools/make_text_tables.py.
#ifndef DIPTYCH_TEXT_CHARMAPS_H_
#define DIPTYCH_TEXT_CHARMAPS_H_

#include <string_view>

namespace diptych {

struct Charmap {
  std::string_view name;
  /// Bytes that a Windows code page leaves open stand for the C1 controls of the same number, and byte 1A for U+FFFD.
  bool sloppy;
  std::u16string_view upper;  // what bytes 80 to FF stand for; all different
};

/// In the order in which they are tried, after Latin-1.
inline constexpr int kCharmapCount = 9;
extern const Charmap kCharmaps[kCharmapCount];

}  // namespace diptych

#endif  // DIPTYCH_TEXT_CHARMAPS_H_
