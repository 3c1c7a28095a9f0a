// Tar archives for tests: correct ones, and headers to spoil.
#ifndef DIPTYCH_TESTS_SUPPORT_TAR_WRITER_H_
#define DIPTYCH_TESTS_SUPPORT_TAR_WRITER_H_

#include <array>
#include <cstdio>
#include <string>

namespace diptych {

/// A ustar header with a correct checksum.
inline std::string TarHeader(const std::string& name, const std::string& size, char type = '0',
                             const std::string& prefix = "") {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, size.size(), size);
  header.replace(148, 8, 8, ' ');
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  header.replace(345, prefix.size(), prefix);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%06o", sum);
  header.replace(148, 7, digits.data(), 7);
  return header;
}

inline std::string TarOctal(size_t value) {
  std::array<char, 12> digits{};
  std::snprintf(digits.data(), digits.size(), "%011zo", value);
  return std::string(digits.data(), 11);
}

/// An entry: header, data, padding.
inline std::string TarFile(const std::string& name, const std::string& data, char type = '0',
                           const std::string& prefix = "") {
  return TarHeader(name, TarOctal(data.size()), type, prefix) + data +
         std::string((512 - data.size() % 512) % 512, '\0');
}

inline const std::string kTarEnd(1024, '\0');

/// A record of a pax header.
inline std::string PaxRecord(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

}  // namespace diptych

#endif  // DIPTYCH_TESTS_SUPPORT_TAR_WRITER_H_
