// From a model's name to a folder on this machine.
#ifndef DIPTYCH_CLIP_MODELS_H_
#define DIPTYCH_CLIP_MODELS_H_

#include <functional>
#include <string>

#include "clip/families.h"
#include "core/status.h"
#include "hub/hub.h"

namespace diptych {

struct ResolveOptions {
  bool update = false;  // ask the hub whether a cached model has moved on
  std::function<void(const hub::SnapshotOptions::Progress&)> progress;  // of a download; may be empty
};

struct ResolvedModel {
  std::string folder;
  const FamilyRow* row = nullptr;  // of the table, where the name leads to one
  std::string note;                // what a name with two meanings was taken for; empty where it has one
};

/// A name is, in this order: a folder; "starter" or another folder of the models beside the program (or of
/// $DIPTYCH_MODELS); an open_clip pair "ViT-B-32:laion2b_s34b_b79k"; a hub id "openai/clip-vit-base-patch32", with
/// "@REVISION" behind it if need be. The last two are downloaded into the cache that Hugging Face's Python library
/// uses. Errors say what was tried.
Result<ResolvedModel> ResolveModel(const std::string& name, const ResolveOptions& options = {});

}  // namespace diptych

#endif  // DIPTYCH_CLIP_MODELS_H_
