#include "clip/models.h"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "core/file.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

// Where named models lie: a folder of the user's, an installation's share/, a source tree's models/, a package of
// Python's.
std::vector<fs::path> ModelFolders() {
  std::vector<fs::path> folders;
  if (const char* own = std::getenv("DIPTYCH_MODELS"); own != nullptr && *own != '\0') folders.emplace_back(own);
  const fs::path program = ProgramFolder();
  folders.push_back(program / ".." / "share" / "diptych" / "models");
  folders.push_back(program / ".." / "models");
  folders.push_back(program / "models");
  return folders;
}

// What a repository must hold, by the layout that is read of it. Without a row either will do.
hub::SnapshotOptions FilesOf(const FamilyRow* row) {
  using Form = std::vector<std::string>;
  const std::vector<Form> open_clip = {{"open_clip_config.json", "open_clip_model.safetensors"},
                                       {"open_clip_config.json", "open_clip_pytorch_model.safetensors"},
                                       {"open_clip_config.json", "open_clip_pytorch_model.bin"}};
  const std::vector<Form> transformers = {{"config.json", "model.safetensors"},
                                          {"config.json", "model.safetensors.index.json", "model-*.safetensors"},
                                          {"config.json", "pytorch_model.bin"},
                                          {"config.json", "pytorch_model.bin.index.json", "pytorch_model-*.bin"}};
  hub::Need model;
  if (row == nullptr || row->container == Container::kOpenClip) model.forms = open_clip;
  if (row == nullptr || row->container == Container::kHuggingFace) {
    model.forms.insert(model.forms.end(), transformers.begin(), transformers.end());
  }
  hub::SnapshotOptions options;
  options.needs = {model};
  options.wants = {"preprocessor_config.json", "processor_config.json",   "tokenizer.json", "tokenizer_config.json",
                   "special_tokens_map.json",  "vocab.json", "merges.txt", "text_config.json"};
  return options;
}

Result<ResolvedModel> FromHub(const std::string& name, const FamilyRow* row, const ResolveOptions& options) {
  std::string repo = name;
  hub::SnapshotOptions snapshot = FilesOf(row);
  if (const size_t at = name.find('@'); at != std::string::npos) {
    repo = name.substr(0, at);
    snapshot.revision = name.substr(at + 1);
    if (snapshot.revision.empty()) return InvalidArgument(name, "no revision stands behind the @");
  }
  if (row == nullptr) {
    row = FamilyByHubId(repo);
    const std::string revision = snapshot.revision;
    snapshot = FilesOf(row);
    snapshot.revision = revision;
  }
  snapshot.update = options.update;
  snapshot.progress = options.progress;
  ASSIGN_OR_RETURN(const std::string folder, hub::Snapshot(repo, snapshot));
  return ResolvedModel{.folder = folder, .row = row};
}

Result<ResolvedModel> FromOpenClipPair(const std::string& name, size_t colon, const ResolveOptions& options) {
  const std::string model = name.substr(0, colon), tag = name.substr(colon + 1);
  const FamilyRow* row = FamilyByOpenClipName(model, tag);
  if (row == nullptr) {
    return NotFound("model \"" + name + "\"", "is no open_clip pair that is known here",
                    "see `diptych models` for those that are");
  }
  ASSIGN_OR_RETURN(ResolvedModel resolved, FromHub(std::string(row->hub_id), row, options));
  const bool quick = row->activation == kernels::Activation::kQuickGelu;
  if (quick && !model.ends_with("-quickgelu")) {
    resolved.note = name + " is read as " + model + "-quickgelu:" + tag +
                    ": these weights were trained with QuickGELU, with which open_clip runs them only under that name";
  }
  return resolved;
}

}  // namespace

Result<ResolvedModel> ResolveModel(const std::string& name, const ResolveOptions& options) {
  if (name.empty()) return InvalidArgument("model", "the name is empty", "give a folder, a hub id, or \"starter\"");
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return ResolvedModel{.folder = name};
  if (fs::exists(name, ignored)) {
    return InvalidArgument(name, "is a file, not a checkpoint folder", "give the folder that holds it and its config");
  }
  const size_t slash = name.find('/'), colon = name.find(':');
  if (slash == std::string::npos && colon != std::string::npos) return FromOpenClipPair(name, colon, options);
  const bool path_like = name.starts_with('/') || name.starts_with('.') || name.ends_with('/') ||
                         (slash != std::string::npos && name.find('/', slash + 1) != std::string::npos);
  if (slash != std::string::npos && !path_like) return FromHub(name, nullptr, options);
  std::string tried;
  if (!path_like) {
    for (const fs::path& folder : ModelFolders()) {
      const fs::path path = (folder / name).lexically_normal();
      if (fs::is_directory(path, ignored)) {
        return ResolvedModel{.folder = path.string(), .row = FamilyByHubId(name)};
      }
      tried += (tried.empty() ? "" : ", ") + path.string();
    }
  }
  return NotFound("model \"" + name + "\"", tried.empty() ? "there is no such folder" : "not found in " + tried,
                  "give a folder saved by open_clip or transformers, a hub id such as "
                  "openai/clip-vit-base-patch32, or \"starter\"");
}

}  // namespace diptych
