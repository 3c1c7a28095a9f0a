// Code points: UTF-8 in and out, the character classes that tokenizers ask for, case and normal forms.
#ifndef DIPTYCH_TEXT_UNICODE_H_
#define DIPTYCH_TEXT_UNICODE_H_

#include <string>
#include <string_view>

namespace diptych {

/// Every ill-formed sequence (its longest valid prefix, at least one byte) becomes one U+FFFD, as Python's "replace".
std::u32string DecodeUtf8(std::string_view bytes);
/// One code point at i, which moves on; U+FFFD as above. REQUIRES: i < bytes.size().
char32_t DecodeNext(std::string_view bytes, size_t& i);
bool IsValidUtf8(std::string_view bytes);
/// REQUIRES: scalar values (no surrogates, nothing above U+10FFFF).
std::string EncodeUtf8(std::u32string_view text);
void AppendUtf8(std::string& bytes, char32_t c);

bool IsAscii(std::string_view bytes);

bool IsLetter(char32_t c);          // general category L*
bool IsNumber(char32_t c);          // N*
bool IsPunctuation(char32_t c);     // P*
bool IsNonspacingMark(char32_t c);  // Mn
bool IsDecimal(char32_t c);         // Nd
bool IsWordCharacter(char32_t c);   // L*, N* and "_", as \w
bool IsOther(char32_t c);           // Cc, Cf, Co
bool IsWhiteSpace(char32_t c);      // the property White_Space, as Rust's is_whitespace and the regex \s
bool IsPythonSpace(char32_t c);     // str.isspace: White_Space and U+001C to U+001F

/// Full lower case of one character: one code point, but for U+0130, which becomes two.
void AppendLower(std::u32string& text, char32_t c);

/// Full upper case of a character that an HTML entity stands for; simple upper case of others.
void AppendUpper(std::u32string& text, char32_t c);
/// str.lower: full lower case, and ς for a Σ that ends a word.
std::u32string PythonLower(std::u32string_view text);

std::u32string Nfkc(std::u32string_view text);
std::u32string Nfc(std::u32string_view text);
std::u32string Nfd(std::u32string_view text);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_UNICODE_H_
