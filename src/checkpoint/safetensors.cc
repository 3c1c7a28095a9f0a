#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/shard_index.h"

namespace diptych {
namespace {

// Files of early writers have headers of any length, so that tensors lie on odd addresses, where a float may not be
// read. Those tensors are copied; the copy is no larger than the file.
StoredTensor Aligned(TensorView view, std::shared_ptr<const void> owner, const std::string& path) {
  if (reinterpret_cast<uintptr_t>(view.raw()) % SizeOf(view.dtype()) == 0) return {view, std::move(owner), path};
  auto copy = std::make_shared<Tensor>(view.dtype(), view.shape());
  std::memcpy(copy->mutable_view().mutable_raw(), view.raw(), view.SizeBytes());
  return {copy->view(), copy, path};
}

StateDict TensorsOf(const SafetensorsHeader& header, const std::shared_ptr<const void>& owner,
                    const std::string& path) {
  StateDict tensors;
  for (const auto& [name, entry] : header.entries) {
    if (!entry.dtype || entry.shape.size() > Shape::kMaxRank) continue;
    const TensorView view(header.data.data() + entry.begin, *entry.dtype,
                          Shape(entry.shape.data(), static_cast<int>(entry.shape.size())));
    tensors.emplace(name, Aligned(view, owner, path));
  }
  return tensors;
}

// serde_json's escapes, which are what the reference library writes.
std::string JsonString(const std::string& text) {
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  std::string quoted(1, '"');
  for (const char c : text) {
    const size_t short_form = kEscaped.find(c);
    if (short_form != std::string_view::npos) {
      quoted += {'\\', kLetters[short_form]};
    } else if (static_cast<uint8_t>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", c);
    } else {
      quoted += c;
    }
  }
  quoted += '"';
  return quoted;
}

// The reference library stores wide types first, so that every tensor is aligned; this is its order of types.
int Width(DType dtype) {
  constexpr DType kNarrowToWide[] = {DType::kBool, DType::kU8,  DType::kI8,  DType::kI16, DType::kF16,
                                     DType::kBF16, DType::kI32, DType::kF32, DType::kF64, DType::kI64};
  return static_cast<int>(std::find(std::begin(kNarrowToWide), std::end(kNarrowToWide), dtype) - kNarrowToWide);
}

std::string HeaderText(const std::vector<std::pair<std::string, TensorView>>& order,
                       std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  std::vector<std::string> pairs, fields;
  for (const auto& [key, value] : metadata) pairs.push_back(JsonString(key) + ":" + JsonString(value));
  fields.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(pairs, ",")));
  size_t offset = 0;
  for (const auto& [name, view] : order) {
    std::vector<int64_t> shape;
    for (int i = 0; i < view.shape().rank(); ++i) shape.push_back(view.shape()[i]);
    fields.push_back(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", JsonString(name),
                                 SafetensorsName(view.dtype()), fmt::join(shape, ","), offset,
                                 offset + view.SizeBytes()));
    offset += view.SizeBytes();
  }
  std::string text = fmt::format("{{{}}}", fmt::join(fields, ","));
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

Result<StateDict> ParseSafetensors(ByteSpan bytes, std::shared_ptr<const void> owner, const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(bytes, path));
  return TensorsOf(header, owner, path);
}

Result<StateDict> LoadSafetensors(const std::string& path) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  return ParseSafetensors(file->bytes(), file, path);
}

Result<StateDict> LoadShardedSafetensors(const std::string& index_path) {
  ASSIGN_OR_RETURN(const std::vector<Shard> shards, ReadShardIndex(index_path));
  StateDict tensors;
  for (const Shard& shard : shards) {
    const auto file = MappedFile::Open(shard.path);
    if (!file.ok()) return file.status().Within(index_path);
    ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader((*file)->bytes(), shard.path));
    for (const std::string& name : shard.names) {
      if (!header.entries.contains(name)) return NotInShard(index_path, name, shard.path);
    }
    RETURN_IF_ERROR(AddShard(TensorsOf(header, *file, shard.path), &tensors));
  }
  return tensors;
}

Status SaveSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  if (tensors.contains("__metadata__")) return InvalidArgument(path, "no tensor may be named __metadata__");
  std::vector<std::pair<std::string, TensorView>> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return Width(a.second.dtype()) > Width(b.second.dtype()); });
  const std::string header = HeaderText(order, metadata);
  std::string size(8, '\0');
  for (size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(header.size() >> (8 * i));
  std::vector<std::string_view> pieces = {size, header};
  for (const auto& [name, view] : order) {
    pieces.emplace_back(static_cast<const char*>(view.raw()), view.SizeBytes());
  }
  return WriteFileAtomically(path, pieces);
}

}  // namespace diptych
