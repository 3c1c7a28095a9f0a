// The published checkpoints that this build can load, one row each: what the weights were trained with, where they are.
#ifndef DIPTYCH_CLIP_FAMILIES_H_
#define DIPTYCH_CLIP_FAMILIES_H_

#include <span>
#include <string_view>

#include "clip/config.h"
#include "kernels/activation.h"

namespace diptych {

/// A row of the table. Facts that a checkpoint's own files state win over it, except where `note` says that the files
/// are wrong; the table is what people choose from, and what names with two meanings are resolved by.
struct FamilyRow {
  std::string_view hub_id;         // "openai/clip-vit-base-patch32"
  std::string_view family;         // "OpenAI"
  std::string_view architecture;   // "ViT-B/32"
  std::string_view open_clip_tag;  // open_clip's pretrained tag, "laion2b_s34b_b79k"; empty where it has none
  Container container;             // which of the repository's layouts is read
  kernels::Activation activation;
  int image_size;                  // S
  int embed_dim;                   // E
  double parameters_m;             // millions, both towers
  std::string_view pixels;         // preprocessing, in words
  std::string_view license;
  double imagenet_top1;            // published zero-shot accuracy on ImageNet-1k in percent; 0 where none is known
  std::string_view note;
};

std::span<const FamilyRow> Families();

/// The row of a hub id, or null.
const FamilyRow* FamilyByHubId(std::string_view hub_id);

/// The row of an open_clip pair: model "ViT-B-32" or "ViT-B-32-quickgelu", tag "openai"; or null. Both spellings lead
/// to the activation that the weights were trained with.
const FamilyRow* FamilyByOpenClipName(std::string_view model, std::string_view tag);

}  // namespace diptych

#endif  // DIPTYCH_CLIP_FAMILIES_H_
