#include "apps/shard.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/content_hash.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

std::optional<uint64_t> NumberIn(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view = text;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size()) return std::nullopt;
  return value;
}

// Parts share nothing while they work: the numbers that mpirun leaves in the environment are all that they need of it.
ShardPart LaunchedPart() {
  const std::optional<uint64_t> rank = NumberIn("OMPI_COMM_WORLD_RANK"), size = NumberIn("OMPI_COMM_WORLD_SIZE");
  if (!rank || !size || *size < 2 || *rank >= *size) return {};
  return {.index = *rank, .count = *size, .launched = true};
}

}  // namespace

std::string StoredPath(const std::string& path) {
  if (path.starts_with("http://") || path.starts_with("https://")) return path;
  std::error_code error;
  std::string normal = fs::absolute(path, error).lexically_normal().string();
  if (error) return path;
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

bool ShardPart::Has(const std::string& stored_path) const {
  if (count == 1) return true;
  return HashBytes({reinterpret_cast<const uint8_t*>(stored_path.data()), stored_path.size()}).low % count == index;
}

std::string ShardPart::Output(const std::string& file) const {
  if (!launched || file.empty()) return file;
  const fs::path path = file;
  const std::string part = "-" + std::to_string(index) + "-of-" + std::to_string(count);
  return (path.parent_path() / (path.stem().string() + part + path.extension().string())).string();
}

Result<ShardPart> ParseShard(const std::string& text) {
  if (text.empty()) return LaunchedPart();
  ShardPart part;
  const char* end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, part.index);
  if (first == std::errc() && slash != end && *slash == '/') {
    const auto [last, second] = std::from_chars(slash + 1, end, part.count);
    if (second == std::errc() && last == end && part.index < part.count) return part;
  }
  return InvalidArgument("shard", "\"" + text + "\" is not i/n with i from 0 to n - 1");
}

}  // namespace diptych
