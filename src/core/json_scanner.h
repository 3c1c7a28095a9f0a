// A strict reader of JSON text that builds nothing: headers of checkpoints are untrusted and may be 100 MB long, and
// vocabularies go straight into their tables.
#ifndef DIPTYCH_CORE_JSON_SCANNER_H_
#define DIPTYCH_CORE_JSON_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diptych {

/// Reads a text from front to back (RFC 8259). Each call skips white space first and returns false at the first byte
/// that is not what was asked for; after that only problem() and position() mean anything.
/// The text must outlive the scanner. Memory: the one string that is being read.
class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  /// The next byte that is not white space; 0 at the end.
  char Peek();
  /// Takes `c` if it is next. Not taking it is no error.
  bool Take(char c);
  /// Takes `c`, which must be next.
  bool Expect(char c);
  /// A string, unescaped. Refused: control characters, invalid UTF-8, lone surrogates.
  bool String(std::string* value);
  /// A whole number in [0, 2^63): no sign, fraction, exponent or leading zero.
  bool Unsigned(int64_t* value);
  /// Any value; nesting deeper than `depth` is refused.
  bool Skip(int depth = 32);
  /// Nothing but white space is left.
  bool End();

  /// What was wrong: "expected ':'", "invalid UTF-8 in a string", ...
  const std::string& problem() const { return problem_; }
  size_t position() const { return at_; }

 private:
  bool Fail(std::string problem);
  void SkipSpace();
  bool Escape(std::string* value);
  bool CodeUnit(uint32_t* unit);
  bool SkipNumber();
  bool SkipWord(std::string_view word);

  std::string_view text_;
  size_t at_ = 0;
  std::string problem_;
};

}  // namespace diptych

#endif  // DIPTYCH_CORE_JSON_SCANNER_H_
