#include "text/mojibake.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "text/charmaps.h"
#include "text/mojibake_sets.h"
#include "text/unicode.h"

namespace diptych {
namespace {

constexpr char kLost = '\x1A';  // a sloppy code page's byte for U+FFFD
constexpr char kLatin1C3 = '\xC3';

// A repair inside a repair works on a strictly shorter text; real text needs two levels.
constexpr int kMaxDepth = 16;

class Encoder {
 public:
  explicit Encoder(const Charmap& map) : sloppy_(map.sloppy) {
    for (size_t i = 0; i < inverse_.size(); ++i) inverse_[i] = {map.upper[i], static_cast<char>(0x80 + i)};
    std::sort(inverse_.begin(), inverse_.end());
  }

  // The bytes that this code page reads as the text, if there are any.
  std::optional<std::string> Encode(std::u32string_view text) const {
    std::string bytes;
    bytes.reserve(text.size());
    for (const char32_t c : text) {
      if (sloppy_ && c == 0xFFFD) {
        bytes.push_back(kLost);
      } else if (c < 0x80) {
        if (sloppy_ && c == static_cast<char32_t>(kLost)) return std::nullopt;
        bytes.push_back(static_cast<char>(c));
      } else {
        const auto it = std::lower_bound(inverse_.begin(), inverse_.end(), std::pair<char32_t, char>(c, '\x80'),
                                         [](const auto& a, const auto& b) { return a.first < b.first; });
        if (it == inverse_.end() || it->first != c) return std::nullopt;
        bytes.push_back(it->second);
      }
    }
    return bytes;
  }

 private:
  bool sloppy_;
  std::array<std::pair<char32_t, char>, 128> inverse_;
};

const std::vector<Encoder>& Encoders() {
  static const std::vector<Encoder> encoders(std::begin(kCharmaps), std::end(kCharmaps));
  return encoders;
}

std::optional<std::string> EncodeLatin1(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    if (c > 0xFF) return std::nullopt;
    bytes.push_back(static_cast<char>(c));
  }
  return bytes;
}

// Byte classes of the two patterns below.
enum ByteClass : char { kSpace, kTail, kTailNot85A0, kLostByte, kLostOrMark, kLostOrTail, kLostMarkOrTail };

bool Is(ByteClass type, unsigned char byte) {
  const bool tail = byte >= 0x80 && byte <= 0xBF, lost = byte == 0x1A, mark = byte == '?';
  switch (type) {
    case kSpace: return byte == ' ';
    case kTail: return tail;
    case kTailNot85A0: return tail && byte != 0x85 && byte != 0xA0;
    case kLostByte: return lost;
    case kLostOrMark: return lost || mark;
    case kLostOrTail: return lost || tail;
    case kLostMarkOrTail: return lost || mark || tail;
  }
  return false;
}

struct LeadRange {
  unsigned char first, last;
};

// A lead byte and what follows it.
struct BytePattern {
  LeadRange lead;
  std::vector<ByteClass> rest;
};

// Length of the first pattern that matches at i; 0: none.
size_t MatchLength(const std::vector<BytePattern>& patterns, std::string_view bytes, size_t i) {
  const auto lead = static_cast<unsigned char>(bytes[i]);
  for (const BytePattern& pattern : patterns) {
    if (lead < pattern.lead.first || lead > pattern.lead.last) continue;
    if (i + pattern.rest.size() >= bytes.size()) continue;
    size_t matched = 0;
    while (matched < pattern.rest.size() &&
           Is(pattern.rest[matched], static_cast<unsigned char>(bytes[i + 1 + matched]))) {
      ++matched;
    }
    if (matched == pattern.rest.size()) return 1 + matched;
  }
  return 0;
}

// UTF-8 in which an 0xA0 was turned into a space, as far as the result is a likely character: two bytes for the
// no-break space, à, Š, Π, Р, ٠; three for the scripts below CJK; four after F0.
const std::vector<BytePattern>& AlteredUtf8() {
  static const std::vector<BytePattern> patterns = {
      {{0xC2, 0xC3}, {kSpace}},
      {{0xC5, 0xC5}, {kSpace}},
      {{0xCE, 0xCE}, {kSpace}},
      {{0xD0, 0xD0}, {kSpace}},
      {{0xD9, 0xD9}, {kSpace}},
      {{0xE2, 0xE3}, {kSpace, kTailNot85A0}},
      {{0xE0, 0xE3}, {kTailNot85A0, kSpace}},
      {{0xF0, 0xF0}, {kSpace, kTail, kTail}},
      {{0xF0, 0xF0}, {kTail, kSpace, kTail}},
      {{0xF0, 0xF0}, {kTail, kTail, kSpace}},
  };
  return patterns;
}

// UTF-8 of which a byte was lost: it is kLost, or at most once a question mark.
const std::vector<BytePattern>& LossyUtf8() {
  static const std::vector<BytePattern> patterns = {
      {{0xC2, 0xDF}, {kLostByte}},
      {{0xC2, 0xC3}, {kLostOrMark}},
      {{0xE0, 0xEF}, {kLostOrMark, kLostOrTail}},
      {{0xE0, 0xEF}, {kLostOrTail, kLostOrMark}},
      {{0xF0, 0xF4}, {kLostOrMark, kLostOrTail, kLostOrTail}},
      {{0xF0, 0xF4}, {kLostOrTail, kLostOrMark, kLostOrTail}},
      {{0xF0, 0xF4}, {kLostOrTail, kLostOrTail, kLostOrMark}},
      {{0x1A, 0x1A}, {}},
  };
  return patterns;
}

// Whether a surrogate pair in CESU-8 of which a byte was lost begins at i.
bool IsLossySurrogatePair(std::string_view bytes, size_t i) {
  if (i + 6 > bytes.size()) return false;
  const auto at = [&](size_t k) { return static_cast<unsigned char>(bytes[i + k]); };
  if (at(0) != 0xED || at(1) < 0xA0 || at(1) > 0xAF || at(3) != 0xED || at(4) < 0xB0 || at(4) > 0xBF) return false;
  return (Is(kLostOrMark, at(2)) && Is(kLostMarkOrTail, at(5))) ||
         (Is(kLostMarkOrTail, at(2)) && Is(kLostOrMark, at(5)));
}

std::string ReplaceLossySequences(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const size_t length = IsLossySurrogatePair(bytes, i) ? 6 : MatchLength(LossyUtf8(), bytes, i);
    if (length == 0) {
      out.push_back(bytes[i++]);
    } else {
      out += "\xEF\xBF\xBD";
      i += length;
    }
  }
  return out;
}

// "Ã " as a word of its own is "à " whose A0 and space became one space, unless one of the Portuguese contractions
// (àquele, àquela, àquilo, às) follows.
bool IsLoneAGrave(std::string_view bytes, size_t i) {
  if (bytes[i] != kLatin1C3 || i + 1 >= bytes.size() || bytes[i + 1] != ' ') return false;
  const std::string_view next = bytes.substr(i + 2);
  return !next.starts_with(" ") && !next.starts_with("quele") && !next.starts_with("quela") &&
         !next.starts_with("quilo") && !next.starts_with("s ");
}

std::string RestoreByteA0(std::string_view bytes) {
  bool found = false;
  for (size_t i = 0; i < bytes.size() && !found; ++i) found = MatchLength(AlteredUtf8(), bytes, i) > 0;
  if (!found) return std::string(bytes);
  std::string split;
  for (size_t i = 0; i < bytes.size(); ++i) {
    split.push_back(bytes[i]);
    if (IsLoneAGrave(bytes, i)) split.push_back('\xA0');
  }
  for (size_t i = 0; i < split.size();) {
    const size_t length = MatchLength(AlteredUtf8(), split, i);
    for (size_t k = i; k < i + length; ++k) {
      if (split[k] == ' ') split[k] = '\xA0';
    }
    i += std::max<size_t>(length, 1);
  }
  return split;
}

// ftfy's "utf-8-variants": also reads Java's two-byte zero and CESU-8. Two of its habits are kept: its patterns end in
// "$", which Python lets match before a final newline, so that there a newline passes for the byte that is missing.
std::optional<std::u32string> DecodeUtf8Variants(std::string_view bytes) {
  std::u32string text;
  for (size_t i = 0; i < bytes.size();) {
    const auto at = [&](size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
    const auto ends_line = [&](size_t k) { return i + k + 1 == bytes.size() && at(k) == '\n'; };
    if (at(0) == 0xC0 && (at(1) == 0x80 || ends_line(1))) {
      text.push_back(U'\0');
      i += 2;
      continue;
    }
    const bool pair = at(0) == 0xED && at(1) >= 0xA0 && at(1) <= 0xAF && Is(kTail, at(2)) && at(3) == 0xED &&
                      at(4) >= 0xB0 && at(4) <= 0xBF && (Is(kTail, at(5)) || ends_line(5));
    if (pair) {
      text.push_back(0x10000 + ((at(1) & 0x0F) << 16 | (at(2) & 0x3F) << 10 | (at(4) & 0x0F) << 6 | (at(5) & 0x3F)));
      i += 6;
      continue;
    }
    size_t end = i + 1;
    while (end < bytes.size() && Is(kTail, static_cast<unsigned char>(bytes[end])) && end - i < 4) ++end;
    const std::string_view sequence = bytes.substr(i, at(0) < 0x80 ? 1 : end - i);
    if (!IsValidUtf8(sequence)) return std::nullopt;
    text += DecodeUtf8(sequence);
    i += sequence.size();
  }
  return text;
}

std::optional<std::u32string> DecodeRepaired(std::string_view bytes) {
  const bool variants = bytes.find('\xED') != std::string_view::npos || bytes.find('\xC0') != std::string_view::npos;
  if (variants) return DecodeUtf8Variants(bytes);
  if (!IsValidUtf8(bytes)) return std::nullopt;
  return DecodeUtf8(bytes);
}

std::u32string FixEncodingAt(std::u32string text, int depth, size_t& budget);

// The number of characters at i that look like one sequence of UTF-8 read in a code page; 0: none.
size_t SequenceLength(std::u32string_view text, size_t i) {
  const uint32_t lead = MojibakeSets(text[i]);
  const size_t length = (lead & charset::kUtf8FirstOf2) != 0   ? 2
                        : (lead & charset::kUtf8FirstOf3) != 0 ? 3
                        : (lead & charset::kUtf8FirstOf4) != 0 ? 4
                                                               : 0;
  if (length == 0 || i + length > text.size()) return 0;
  for (size_t k = i + 1; k < i + length; ++k) {
    if ((MojibakeSets(text[k]) & charset::kUtf8Continuation) == 0) return 0;
  }
  return length;
}

// Repairs the runs of such sequences one by one, where no code page fits the whole.
std::u32string DecodeInconsistentUtf8(const std::u32string& text, int depth, size_t& budget) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    if (i == 0 || (MojibakeSets(text[i - 1]) & charset::kUtf8ContinuationStrict) == 0) {
      while (end < text.size()) {
        const size_t length = SequenceLength(text, end);
        if (length == 0) break;
        end += length;
      }
    }
    if (end == i) {
      out.push_back(text[i++]);
      continue;
    }
    std::u32string run = text.substr(i, end - i);
    const bool repair = run.size() < text.size() && depth < kMaxDepth && LooksLikeMojibake(run);
    out += repair ? FixEncodingAt(std::move(run), depth + 1, budget) : run;
    i = end;
  }
  return out;
}

std::optional<std::u32string> ReadAsUtf8(const std::u32string& text) {
  if (const auto bytes = EncodeLatin1(text)) {
    if (auto fixed = DecodeRepaired(RestoreByteA0(*bytes))) return fixed;
  }
  for (int i = 0; i < kCharmapCount; ++i) {
    auto bytes = Encoders()[static_cast<size_t>(i)].Encode(text);
    if (!bytes) continue;
    // In Mac Roman the byte before the space would be an en dash.
    if (kCharmaps[i].name != "macroman") *bytes = RestoreByteA0(*bytes);
    if (kCharmaps[i].sloppy) *bytes = ReplaceLossySequences(*bytes);
    if (auto fixed = DecodeRepaired(*bytes)) return fixed;
  }
  return std::nullopt;
}

std::u32string FixOneStep(const std::u32string& text, int depth, size_t& budget) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
  if (ascii || !LooksLikeMojibake(text)) return text;
  if (auto fixed = ReadAsUtf8(text)) return *std::move(fixed);
  std::u32string fixed = DecodeInconsistentUtf8(text, depth, budget);
  if (fixed != text) return fixed;
  // What is left are C1 controls, which nobody wants: they were meant as Windows-1252.
  for (char32_t& c : fixed) {
    if (c >= 0x80 && c < 0xA0) c = FromC1(c);
  }
  return fixed;
}

std::u32string FixEncodingAt(std::u32string text, int depth, size_t& budget) {
  while (text.size() <= budget) {
    budget -= text.size();
    std::u32string fixed = FixOneStep(text, depth, budget);
    if (fixed == text) break;
    text = std::move(fixed);
  }
  return text;
}

}  // namespace

char32_t FromC1(char32_t c) {
  return kCharmaps[0].upper[c - 0x80];
}

std::u32string FixEncoding(std::u32string text, size_t& budget) {
  return FixEncodingAt(std::move(text), 0, budget);
}

}  // namespace diptych
