#include <algorithm>
#include <array>
#include <memory>

#include "text/mojibake.h"
#include "text/mojibake_sets.h"
#include "text/unicode.h"

namespace diptych {
namespace {

using namespace charset;  // NOLINT: the rules are unreadable without

// Sets that are asked of the character itself, beyond those of mojibake_sets.h.
constexpr uint32_t kLowerAscii = 1u << 24;
constexpr uint32_t kUpperAscii = 1u << 25;
constexpr uint32_t kNotAsciiLetter = 1u << 26;
constexpr uint32_t kSpace = 1u << 27;
constexpr uint32_t kWord = 1u << 28;
constexpr uint32_t kAnyInLine = 1u << 29;

constexpr uint32_t kAccented = kLowerAccented | kUpperAccented;
constexpr uint32_t kPunctuation = kStartPunctuation | kEndPunctuation;
constexpr uint32_t kAsciiLetter = kLowerAscii | kUpperAscii;
constexpr uint32_t kSymbols = kBox | kPunctuation | kCurrency | kNumeric | kLaw;

// One character of a rule: a member of the sets, or one of these.
struct Item {
  uint32_t sets = 0;
  std::u32string_view also = {};
};

struct Rule {
  std::array<Item, 7> items;  // ends at the first empty one
  bool only_at_start = false;
};

constexpr Item Only(std::u32string_view characters) {
  return {0, characters};
}

constexpr uint32_t kArabicSets = kCommon | kCurrency | kBad | kNumeric | kStartPunctuation;
constexpr std::u32string_view kArabicSigns = U"ŸŠ®°µ»";
constexpr uint32_t kGapSets = kC1 | kBad | kPunctuation | kCurrency;

constexpr Rule kRules[] = {
    {{{{kC1}}}},
    {{{{kBad | kAccented | kSymbols}, {kBad}}}},
    {{{{kAsciiLetter}, {kLowerCommon | kUpperCommon}, {kBad}}}},
    {{{{kBad}, {kAccented | kSymbols}}}},
    {{{{kLowerAccented | kLowerCommon | kBox | kEndPunctuation | kCurrency | kNumeric}, {kUpperAccented}}}},
    {{{{kBox | kEndPunctuation | kCurrency | kNumeric}, {kLowerAccented}}}},
    {{{{kLowerAccented | kBox | kEndPunctuation}, {kCurrency}}}},
    {{{{kSpace}, {kUpperAccented}, {kCurrency}}}},
    {{{{kUpperAccented | kBox}, {kNumeric | kLaw}}}},
    {{{{kAccented | kBox | kCurrency | kEndPunctuation}, {kStartPunctuation}, {kNumeric}}}},
    {{{{kAccented | kCurrency | kNumeric | kBox | kLaw}, {kEndPunctuation}, {kStartPunctuation}}}},
    {{{{kCurrency | kNumeric | kBox}, {kStartPunctuation}}}},
    {{{{kLowerAscii}, {kUpperAccented}, {kStartPunctuation | kCurrency}}}},
    {{{{kBox}, {kKaomoji}}}},
    {{{{kAccented | kCurrency | kNumeric | kPunctuation | kLaw}, {kBox}}}},
    {{{{kBox}, {kEndPunctuation}}}},
    {{{{kAccented}, {kPunctuation}, {kWord}}}},
    {{{Only(U"Œœ"), {kNotAsciiLetter}}}},
    {{{{kUpperAccented}, Only(U"°")}}},
    // Windows-1252, two characters that nothing above covers.
    {{{Only(U"ÂÃÎÐ"), {kPunctuation, U"€œŠš¢£Ÿž\u00A0\u00AD®©°·»–—´"}}}},
    {{{Only(U"×"), Only(U"²³")}}},
    // Windows-1252 of Arabic. Its second characters are common ones, so two pairs are asked for.
    {{{Only(U"ØÙ"), {kArabicSets, kArabicSigns}, Only(U"ØÙ"), {kArabicSets, kArabicSigns}}}},
    // Windows-1252 of South Asian scripts.
    {{{Only(U"à"), Only(U"²µ¹¼½¾")}}},
    // Mac Roman.
    {{{Only(U"√"), Only(U"±∂†≠®™´≤≥¥µø")}}},
    {{{Only(U"≈"), Only(U"°¢")}}},
    {{{Only(U"‚"), Only(U"Ä"), Only(U"ìîïòôúùû†°¢π")}}},
    {{{Only(U"‚"), Only(U"âó"), Only(U"àä°ê")}}},
    // Windows-1251: punctuation; Latin-1 and Cyrillic, three characters; five on top of another layer.
    {{{Only(U"в"), Only(U"Ђ")}}},
    {{{Only(U"ВГРС"), {kGapSets, U"°µ"}, Only(U"ВГРС")}}},
    {{{Only(U"Г"), Only(U"ў"), Only(U"В"), Only(U"Ђ"), Only(U"В"), {kAnyInLine}, {kAsciiLetter, U" "}}}},
    // Windows-1252 of "à", "á" and the no-break space, with the space that it became.
    {{{Only(U"Ã"), Only(U"\u00A0¡")}}},
    {{{{kLowerAscii}, Only(U"ÃÂ"), Only(U" ")}}},
    {{{{kLowerAscii}, {kSpace}, Only(U"ÃÂ"), Only(U" ")}}},
    {{{Only(U"ÃÂ"), Only(U" ")}}, true},
    {{{{kLowerAscii | kEndPunctuation, U".,?!"}, Only(U"Â"), {kPunctuation, U" "}}}},
    // Windows-1253: punctuation; Latin-1 and Greek.
    {{{Only(U"β"), Only(U"€"), Only(U"™\u00A0Ά\u00AD®°")}}},
    {{{Only(U"ΒΓΞΟ"), {kGapSets, U"°"}, Only(U"ΒΓΞΟ")}}},
    // Windows-1257: punctuation.
    {{{Only(U"ā"), Only(U"€")}}},
};

// Above this lie only three members of any set, and none of the rules' own characters.
constexpr char32_t kTableEnd = 0x2600;

using SetTable = std::array<uint32_t, kTableEnd>;

const SetTable& Table() {
  static const std::unique_ptr<const SetTable> table = [] {
    auto made = std::make_unique<SetTable>();
    for (const SetMembers& members : kSetMembers) {
      for (size_t i = 0; i < members.ranges.size(); i += 2) {
        const char32_t last = std::min<char32_t>(members.ranges[i + 1], kTableEnd - 1);
        for (char32_t c = members.ranges[i]; c <= last; ++c) (*made)[c] |= members.set;
      }
    }
    for (char32_t c = 0; c < 0x80; ++c) {
      const bool lower = c >= U'a' && c <= U'z', upper = c >= U'A' && c <= U'Z';
      (*made)[c] |= lower ? kLowerAscii : upper ? kUpperAscii : 0;
    }
    return std::unique_ptr<const SetTable>(std::move(made));
  }();
  return *table;
}

bool Matches(const Item& item, char32_t c) {
  if ((item.sets & MojibakeSets(c)) != 0) return true;
  if (item.also.find(c) != std::u32string_view::npos) return true;
  if ((item.sets & kNotAsciiLetter) != 0) return (MojibakeSets(c) & kAsciiLetter) == 0;
  if ((item.sets & kSpace) != 0) return IsPythonSpace(c);
  if ((item.sets & kWord) != 0) return IsWordCharacter(c);
  return (item.sets & kAnyInLine) != 0 && c != U'\n';
}

bool MatchesAt(const Rule& rule, std::u32string_view text, size_t i) {
  if (rule.only_at_start && i > 0) return false;
  for (const Item& item : rule.items) {
    if (item.sets == 0 && item.also.empty()) return true;
    if (i >= text.size() || !Matches(item, text[i++])) return false;
  }
  return true;
}

}  // namespace

uint32_t MojibakeSets(char32_t c) {
  if (c < kTableEnd) return Table()[c];
  if (c == 0xFFFD) return kBad;
  if (c == 0xF8FF) return kStartPunctuation;
  return c == 0xFB01 || c == 0xFB02 ? kLowerAccented : 0;
}

bool LooksLikeMojibake(std::u32string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c >= kTableEnd && MojibakeSets(c) == 0) continue;
    if (c < 0x80) {  // a rule that begins with ASCII goes on beyond it within two characters
      const std::u32string_view next = text.substr(i + 1, 2);
      if (std::all_of(next.begin(), next.end(), [](char32_t n) { return n < 0x80; })) continue;
    }
    for (const Rule& rule : kRules) {
      if (MatchesAt(rule, text, i)) return true;
    }
  }
  return false;
}

}  // namespace diptych
