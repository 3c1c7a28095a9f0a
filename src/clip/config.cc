#include "clip/config.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "clip/hf_config.h"
#include "clip/open_clip_config.h"
#include "core/file.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Where named models lie: a folder of the user's, an installation's share/, a source tree's models/.
std::vector<fs::path> ModelFolders() {
  std::vector<fs::path> folders;
  if (const char* own = std::getenv("DIPTYCH_MODELS"); own != nullptr && *own != '\0') folders.emplace_back(own);
  const fs::path program = ProgramFolder();
  folders.push_back(program / ".." / "share" / "diptych" / "models");
  folders.push_back(program / ".." / "models");
  return folders;
}

}  // namespace

const char* NameOf(Container container) {
  return container == Container::kOpenClip ? "open_clip" : "transformers";
}

Result<ClipConfig> LoadClipConfig(const std::string& folder) {
  const fs::path root(folder);
  if (Exists(root / "open_clip_config.json")) return LoadOpenClipConfig(folder);
  if (Exists(root / "config.json")) return LoadHuggingFaceConfig(folder);
  return NotFound(folder, "holds no checkpoint: neither open_clip_config.json nor config.json is in it",
                  "give a folder saved by open_clip or transformers");
}

Result<std::string> ResolveModel(const std::string& name) {
  if (name.empty()) return InvalidArgument("model", "the name is empty", "give a folder, or \"starter\"");
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return name;
  if (Exists(name)) {
    return InvalidArgument(name, "is a file, not a checkpoint folder", "give the folder that holds it and its config");
  }
  std::string tried;
  if (name.find('/') == std::string::npos) {
    for (const fs::path& folder : ModelFolders()) {
      const fs::path path = (folder / name).lexically_normal();
      if (fs::is_directory(path, ignored)) return path.string();
      tried += (tried.empty() ? "" : ", ") + path.string();
    }
  }
  return NotFound("model \"" + name + "\"", tried.empty() ? "there is no such folder" : "not found in " + tried,
                  "give a folder saved by open_clip or transformers, or \"starter\"");
}

}  // namespace diptych
