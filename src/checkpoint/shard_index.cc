#include "checkpoint/shard_index.h"

#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "core/json_scanner.h"
#include "checkpoint/safetensors_header.h"
#include "core/file.h"

namespace diptych {
namespace {

using WeightMap = std::map<std::string, std::set<std::string>>;  // shard -> names of its tensors

bool ReadWeightMap(JsonScanner& scan, WeightMap* shards, std::string* twice) {
  std::set<std::string> names;
  if (!scan.Expect('{')) return false;
  if (scan.Take('}')) return true;
  do {
    std::string name, shard;
    if (!scan.String(&name) || !scan.Expect(':') || !scan.String(&shard)) return false;
    if (!names.insert(name).second) *twice = name;
    (*shards)[shard].insert(name);
  } while (scan.Take(','));
  return scan.Expect('}');
}

Result<WeightMap> ReadIndex(const std::string& path) {
  constexpr size_t kMaxIndexBytes = 16'000'000;  // some 150,000 names
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxIndexBytes));
  JsonScanner scan(text);
  WeightMap shards;
  std::string key, twice;
  bool found = false, valid = scan.Expect('{');
  if (valid && !scan.Take('}')) {
    do {
      valid = scan.String(&key) && scan.Expect(':');
      if (valid && key == "weight_map" && std::exchange(found, true)) {
        return Corrupt(path, "has the field \"weight_map\" twice");
      }
      valid = valid && (key == "weight_map" ? ReadWeightMap(scan, &shards, &twice) : scan.Skip());
    } while (valid && scan.Take(','));
    valid = valid && scan.Expect('}');
  }
  if (!valid || !scan.End()) {
    return Corrupt(path, "is not valid JSON: " + scan.problem() + " at byte " + std::to_string(scan.position()));
  }
  if (!twice.empty()) return Corrupt(path + ": tensor " + QuotedTensorName(twice), "is listed twice");
  if (shards.empty()) return Corrupt(path, "has no weight_map, which says where each tensor is");
  return shards;
}

// A shard is a plain file name. (The file itself may be a link to elsewhere, as in the hub's cache.)
bool StaysInFolder(const std::string& shard) {
  return !shard.empty() && shard != "." && shard != ".." &&
         shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

}  // namespace

Result<std::vector<Shard>> ReadShardIndex(const std::string& index_path) {
  ASSIGN_OR_RETURN(WeightMap weight_map, ReadIndex(index_path));
  std::vector<Shard> shards;
  for (auto& [file, names] : weight_map) {
    if (!StaysInFolder(file)) {
      return Corrupt(index_path, "names the shard " + QuotedTensorName(file) + ", which is not a plain file name",
                     "a shard must lie beside its index");
    }
    shards.push_back({(std::filesystem::path(index_path).parent_path() / file).string(), std::move(names)});
  }
  return shards;
}

Status NotInShard(const std::string& index_path, const std::string& name, const std::string& shard_path) {
  return Corrupt(index_path + ": tensor " + QuotedTensorName(name), "is not in " + shard_path + ", where it should be",
                 "index and shards are of different versions: download them again");
}

Status AddShard(StateDict shard, StateDict* tensors) {
  tensors->merge(shard);
  if (shard.empty()) return Status::Ok();
  const auto& [name, tensor] = *shard.begin();  // what could not be merged
  return Corrupt(tensor.file + ": tensor " + QuotedTensorName(name), "is also in " + tensors->at(name).file,
                 "each tensor must be in one shard");
}

}  // namespace diptych
