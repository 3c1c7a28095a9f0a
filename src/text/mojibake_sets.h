// The sets of characters that the rules about mojibake speak of. Their members are those of ftfy 6.3.1 (Robyn Speer,
// Apache-2.0), written by tools/make_text_tables.py.
#ifndef DIPTYCH_TEXT_MOJIBAKE_SETS_H_
#define DIPTYCH_TEXT_MOJIBAKE_SETS_H_

#include <cstdint>
#include <string_view>

namespace diptych {

namespace charset {                           // bits: a character may be in several
inline constexpr uint32_t kCommon = 1u << 0;  // seen in mojibake and outside it
inline constexpr uint32_t kC1 = 1u << 1;      // U+0080 to U+009F
inline constexpr uint32_t kBad = 1u << 2;     // hardly ever meant
inline constexpr uint32_t kLaw = 1u << 3;
inline constexpr uint32_t kCurrency = 1u << 4;
inline constexpr uint32_t kStartPunctuation = 1u << 5;
inline constexpr uint32_t kEndPunctuation = 1u << 6;
inline constexpr uint32_t kNumeric = 1u << 7;
inline constexpr uint32_t kKaomoji = 1u << 8;  // letters that faces are drawn with
inline constexpr uint32_t kUpperAccented = 1u << 9;
inline constexpr uint32_t kLowerAccented = 1u << 10;
inline constexpr uint32_t kUpperCommon = 1u << 11;  // Greek, Cyrillic, thorn
inline constexpr uint32_t kLowerCommon = 1u << 12;
inline constexpr uint32_t kBox = 1u << 13;
inline constexpr uint32_t kUtf8FirstOf2 = 1u << 14;  // what UTF-8's lead bytes become in one of the code pages
inline constexpr uint32_t kUtf8FirstOf3 = 1u << 15;
inline constexpr uint32_t kUtf8FirstOf4 = 1u << 16;
inline constexpr uint32_t kUtf8Continuation = 1u << 17;        // and its other bytes, a space for 0xA0 among them
inline constexpr uint32_t kUtf8ContinuationStrict = 1u << 18;  // without what may stand beside mojibake
}  // namespace charset

struct SetMembers {
  uint32_t set;
  std::u32string_view ranges;  // first, last, first, last, ...
};

inline constexpr int kSetMembersCount = 19;
extern const SetMembers kSetMembers[kSetMembersCount];

/// The sets that the character is in.
uint32_t MojibakeSets(char32_t c);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_MOJIBAKE_SETS_H_
