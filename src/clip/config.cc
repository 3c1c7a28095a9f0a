#include "clip/config.h"

#include <filesystem>

#include "clip/hf_config.h"
#include "clip/open_clip_config.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

const char* NameOf(Container container) {
  return container == Container::kOpenClip ? "open_clip" : "transformers";
}

Result<ClipConfig> LoadClipConfig(const std::string& folder) {
  const fs::path root(folder);
  const bool open_clip = Exists(root / "open_clip_config.json"), transformers = Exists(root / "config.json");
  if (open_clip) {
    Result<ClipConfig> config = LoadOpenClipConfig(folder);
    // A cache may hold both configurations of a repository, but the weights of one.
    if (config.ok() || !transformers || config.status().code() != StatusCode::kNotFound) return config;
  }
  if (transformers) return LoadHuggingFaceConfig(folder);
  return NotFound(folder, "holds no checkpoint: neither open_clip_config.json nor config.json is in it",
                  "give a folder saved by open_clip or transformers");
}

}  // namespace diptych
