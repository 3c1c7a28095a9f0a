#include "clip/families.h"

#include <algorithm>

namespace diptych {
namespace {

using kernels::Activation;
constexpr Activation kQuick = Activation::kQuickGelu, kExact = Activation::kGelu;
constexpr Container kHf = Container::kHuggingFace, kOc = Container::kOpenClip;
constexpr std::string_view kOpenAi = "shortest + crop, bicubic, OpenAI mean/std";
constexpr std::string_view kHalf = "shortest + crop, bicubic, mean/std 0.5";
constexpr std::string_view kSquash = "squash, bicubic, OpenAI mean/std";
constexpr std::string_view kApple = "apple-amlr (research)", kMeta = "CC-BY-NC-4.0";
constexpr std::string_view kDfnNote = "open_clip squashes pictures; transformers' file crops them";
constexpr std::string_view kResNetNote = "the activation is the text tower's, the image tower has ReLU";
constexpr std::string_view kTimmOpenAi = "the weights of openai/..., in open_clip's layout";

// Accuracies: OpenAI's paper, open_clip's results table, the DFN, MetaCLIP and TinyCLIP papers and model cards.
constexpr FamilyRow kRows[] = {
    {"starter", "Diptych", "EfficientNet + MiniLM", "", kOc, kExact, 224, 384, 26.6,
     "shortest + crop, bicubic, mean/std near 0.5", "Apache-2.0", 0,
     "comes with the program; zero-shot top-1: Caltech-101 81.7 %, CIFAR-10 67.7 %"},
    {"openai/clip-vit-base-patch32", "OpenAI", "ViT-B/32", "", kHf, kQuick, 224, 512, 151.3, kOpenAi, "MIT", 63.3,
     "its config names eos 2, a token that CLIP has not: the largest id is pooled"},
    {"openai/clip-vit-base-patch16", "OpenAI", "ViT-B/16", "", kHf, kQuick, 224, 512, 149.6, kOpenAi, "MIT", 68.3, ""},
    {"openai/clip-vit-large-patch14", "OpenAI", "ViT-L/14", "", kHf, kQuick, 224, 768, 427.6, kOpenAi, "MIT", 75.5, ""},
    {"openai/clip-vit-large-patch14-336", "OpenAI", "ViT-L/14-336", "", kHf, kQuick, 336, 768, 427.9, kOpenAi, "MIT",
     76.6, ""},
    {"timm/vit_base_patch32_clip_224.openai", "OpenAI", "ViT-B/32", "openai", kOc, kQuick, 224, 512, 151.3, kOpenAi,
     "MIT", 63.3, kTimmOpenAi},
    {"timm/vit_base_patch16_clip_224.openai", "OpenAI", "ViT-B/16", "openai", kOc, kQuick, 224, 512, 149.6, kOpenAi,
     "MIT", 68.3, kTimmOpenAi},
    {"timm/vit_large_patch14_clip_224.openai", "OpenAI", "ViT-L/14", "openai", kOc, kQuick, 224, 768, 427.6, kOpenAi,
     "MIT", 75.5, kTimmOpenAi},
    {"timm/vit_large_patch14_clip_336.openai", "OpenAI", "ViT-L/14-336", "openai", kOc, kQuick, 336, 768, 427.9,
     kOpenAi, "MIT", 76.6, kTimmOpenAi},
    {"timm/resnet50_clip.openai", "OpenAI", "RN50", "openai", kOc, kQuick, 224, 1024, 102.0, kOpenAi, "MIT", 59.8,
     kResNetNote},
    {"timm/resnet101_clip.openai", "OpenAI", "RN101", "openai", kOc, kQuick, 224, 512, 119.7, kOpenAi, "MIT", 62.3,
     kResNetNote},
    {"timm/resnet50x4_clip.openai", "OpenAI", "RN50x4", "openai", kOc, kQuick, 288, 640, 178.3, kOpenAi, "MIT", 66.3,
     kResNetNote},
    {"timm/resnet50x16_clip.openai", "OpenAI", "RN50x16", "openai", kOc, kQuick, 384, 768, 291.0, kOpenAi, "MIT", 70.7,
     kResNetNote},
    {"timm/resnet50x64_clip.openai", "OpenAI", "RN50x64", "openai", kOc, kQuick, 448, 1024, 623.3, kOpenAi, "MIT", 73.9,
     kResNetNote},

    {"timm/vit_base_patch32_clip_224.laion400m_e31", "LAION-400M", "ViT-B/32", "laion400m_e31", kOc, kQuick, 224, 512,
     151.3, kOpenAi, "MIT", 0, "with exact GELU it loses 2.7 points"},
    {"timm/vit_base_patch32_clip_224.laion400m_e32", "LAION-400M", "ViT-B/32", "laion400m_e32", kOc, kQuick, 224, 512,
     151.3, kOpenAi, "MIT", 62.9, "with exact GELU it loses 2.7 points"},
    {"timm/vit_base_patch16_clip_224.laion400m_e31", "LAION-400M", "ViT-B/16", "laion400m_e31", kOc, kExact, 224, 512,
     149.6, kOpenAi, "MIT", 0, ""},
    {"timm/vit_base_patch16_clip_224.laion400m_e32", "LAION-400M", "ViT-B/16", "laion400m_e32", kOc, kExact, 224, 512,
     149.6, kOpenAi, "MIT", 67.1, ""},
    {"timm/vit_base_patch16_plus_clip_240.laion400m_e31", "LAION-400M", "ViT-B/16-plus-240", "laion400m_e31", kOc,
     kExact, 240, 640, 208.4, kOpenAi, "MIT", 69.2, ""},
    {"timm/vit_large_patch14_clip_224.laion400m_e31", "LAION-400M", "ViT-L/14", "laion400m_e31", kOc, kExact, 224, 768,
     427.6, kOpenAi, "MIT", 0, ""},
    {"timm/vit_large_patch14_clip_224.laion400m_e32", "LAION-400M", "ViT-L/14", "laion400m_e32", kOc, kExact, 224, 768,
     427.6, kOpenAi, "MIT", 72.8, ""},

    {"laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "LAION-2B", "ViT-B/32", "laion2b_s34b_b79k", kOc, kExact, 224, 512,
     151.3, kOpenAi, "MIT", 66.6, ""},
    {"laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "LAION-2B", "ViT-B/16", "laion2b_s34b_b88k", kOc, kExact, 224, 512,
     149.6, kOpenAi, "MIT", 70.2, ""},
    {"laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "LAION-2B", "ViT-L/14", "laion2b_s32b_b82k", kOc, kExact, 224, 768,
     427.6, kHalf, "MIT", 75.3, "mean and std are 0.5, unlike its siblings"},
    {"laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "LAION-2B", "ViT-H/14", "laion2b_s32b_b79k", kOc, kExact, 224, 1024,
     986.1, kOpenAi, "MIT", 78.0, "heads of 80"},
    {"laion/CLIP-ViT-g-14-laion2B-s12B-b42K", "LAION-2B", "ViT-g/14", "laion2b_s12b_b42k", kOc, kExact, 224, 1024,
     1366.7, kOpenAi, "MIT", 76.6, "heads of 88"},
    {"laion/CLIP-ViT-g-14-laion2B-s34B-b88K", "LAION-2B", "ViT-g/14", "laion2b_s34b_b88k", kOc, kExact, 224, 1024,
     1366.7, kOpenAi, "MIT", 78.5, "heads of 88"},
    {"laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "LAION-2B", "ViT-bigG/14", "laion2b_s39b_b160k", kOc, kExact, 224,
     1280, 2539.6, kOpenAi, "MIT", 80.1, "heads of 104; its transformers tokenizer pads with \"!\""},

    {"laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", "DataComp", "ViT-B/32", "datacomp_xl_s13b_b90k", kOc, kExact, 224,
     512, 151.3, kOpenAi, "MIT", 69.2, ""},
    {"laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", "DataComp", "ViT-B/32-256", "datacomp_s34b_b86k", kOc, kExact,
     256, 512, 151.3, kOpenAi, "MIT", 72.8, ""},
    {"laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", "DataComp", "ViT-B/16", "datacomp_xl_s13b_b90k", kOc, kExact, 224,
     512, 149.6, kOpenAi, "MIT", 73.5, ""},
    {"laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "DataComp", "ViT-L/14", "datacomp_xl_s13b_b90k", kOc, kExact, 224,
     768, 427.6, kOpenAi, "MIT", 79.2, ""},

    {"apple/DFN2B-CLIP-ViT-B-16", "DFN", "ViT-B/16", "dfn2b", kOc, kQuick, 224, 512, 149.6, kOpenAi, kApple, 76.2, ""},
    {"apple/DFN2B-CLIP-ViT-L-14", "DFN", "ViT-L/14", "dfn2b", kOc, kQuick, 224, 768, 427.6, kOpenAi, kApple, 81.4, ""},
    {"apple/DFN2B-CLIP-ViT-L-14-39B", "DFN", "ViT-L/14", "dfn2b_s39b", kOc, kExact, 224, 768, 427.6, kOpenAi, kApple,
     82.2, "exact GELU, unlike its siblings"},
    {"apple/DFN5B-CLIP-ViT-H-14", "DFN", "ViT-H/14", "dfn5b", kOc, kQuick, 224, 1024, 986.1, kSquash, kApple, 83.4,
     kDfnNote},
    {"apple/DFN5B-CLIP-ViT-H-14-378", "DFN", "ViT-H/14-378", "dfn5b", kOc, kQuick, 378, 1024, 986.7, kSquash, kApple,
     84.4, kDfnNote},

    {"facebook/metaclip-b32-400m", "MetaCLIP", "ViT-B/32", "", kHf, kQuick, 224, 512, 151.3, kOpenAi, kMeta, 65.5, ""},
    {"facebook/metaclip-b16-400m", "MetaCLIP", "ViT-B/16", "", kHf, kQuick, 224, 512, 149.6, kOpenAi, kMeta, 70.8, ""},
    {"facebook/metaclip-l14-400m", "MetaCLIP", "ViT-L/14", "", kHf, kQuick, 224, 768, 427.6, kOpenAi, kMeta, 76.2, ""},
    {"facebook/metaclip-b32-fullcc2.5b", "MetaCLIP", "ViT-B/32", "", kHf, kQuick, 224, 512, 151.3, kOpenAi, kMeta, 67.6,
     ""},
    {"facebook/metaclip-b16-fullcc2.5b", "MetaCLIP", "ViT-B/16", "", kHf, kQuick, 224, 512, 149.6, kOpenAi, kMeta, 72.1,
     ""},
    {"facebook/metaclip-l14-fullcc2.5b", "MetaCLIP", "ViT-L/14", "", kHf, kQuick, 224, 768, 427.6, kOpenAi, kMeta, 79.2,
     ""},
    {"facebook/metaclip-h14-fullcc2.5b", "MetaCLIP", "ViT-H/14", "", kHf, kQuick, 224, 1024, 986.1, kOpenAi, kMeta,
     80.5, ""},
    {"timm/vit_base_patch32_clip_224.metaclip_400m", "MetaCLIP", "ViT-B/32", "metaclip_400m", kOc, kQuick, 224, 512,
     151.3, kOpenAi, kMeta, 65.5, ""},
    {"timm/vit_base_patch16_clip_224.metaclip_400m", "MetaCLIP", "ViT-B/16", "metaclip_400m", kOc, kQuick, 224, 512,
     149.6, kOpenAi, kMeta, 70.8, ""},
    {"timm/vit_large_patch14_clip_224.metaclip_400m", "MetaCLIP", "ViT-L/14", "metaclip_400m", kOc, kQuick, 224, 768,
     427.6, kOpenAi, kMeta, 76.2, ""},
    {"timm/vit_base_patch32_clip_224.metaclip_2pt5b", "MetaCLIP", "ViT-B/32", "metaclip_fullcc", kOc, kQuick, 224, 512,
     151.3, kOpenAi, kMeta, 67.6, ""},
    {"timm/vit_base_patch16_clip_224.metaclip_2pt5b", "MetaCLIP", "ViT-B/16", "metaclip_fullcc", kOc, kQuick, 224, 512,
     149.6, kOpenAi, kMeta, 72.1, ""},
    {"timm/vit_large_patch14_clip_224.metaclip_2pt5b", "MetaCLIP", "ViT-L/14", "metaclip_fullcc", kOc, kQuick, 224, 768,
     427.6, kOpenAi, kMeta, 79.2, ""},
    {"timm/vit_huge_patch14_clip_224.metaclip_2pt5b", "MetaCLIP", "ViT-H/14", "metaclip_fullcc", kOc, kQuick, 224, 1024,
     986.1, kOpenAi, kMeta, 80.5, ""},
    {"timm/vit_huge_patch14_clip_224.metaclip_altogether", "MetaCLIP", "ViT-H/14", "metaclip_altogether", kOc, kExact,
     224, 1024, 986.1, kOpenAi, kMeta, 0, "exact GELU, unlike its siblings"},
    {"timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b", "MetaCLIP", "ViT-bigG/14", "metaclip_fullcc", kOc, kQuick,
     224, 1280, 2539.6, kOpenAi, kMeta, 82.1, "heads of 104"},

    {"wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M", "TinyCLIP", "ViT-8M/16", "", kHf, kQuick, 224, 512, 23.4, kOpenAi,
     "MIT", 41.1, "its activation is read from its config"},
    {"wkcn/TinyCLIP-ViT-39M-16-Text-19M-YFCC15M", "TinyCLIP", "ViT-39M/16", "", kHf, kQuick, 224, 512, 83.1, kOpenAi,
     "MIT", 63.5, "its activation is read from its config"},
    {"wkcn/TinyCLIP-ViT-40M-32-Text-19M-LAION400M", "TinyCLIP", "ViT-40M/32", "", kHf, kQuick, 224, 512, 84.2, kOpenAi,
     "MIT", 59.8, "its activation is read from its config"},
    {"wkcn/TinyCLIP-ViT-61M-32-Text-29M-LAION400M", "TinyCLIP", "ViT-61M/32", "", kHf, kQuick, 224, 512, 115.4, kOpenAi,
     "MIT", 62.4, "its activation is read from its config"},
};

// open_clip writes "ViT-B-32", "ViT-L-14-336", "ViT-B-16-plus-240": the row's name with dashes.
bool SameArchitecture(std::string_view row, std::string_view open_clip) {
  constexpr std::string_view kSuffix = "-quickgelu";
  if (open_clip.ends_with(kSuffix)) open_clip.remove_suffix(kSuffix.size());
  return std::equal(row.begin(), row.end(), open_clip.begin(), open_clip.end(),
                    [](char a, char b) { return a == b || (a == '/' && b == '-'); });
}

}  // namespace

std::span<const FamilyRow> Families() { return kRows; }

const FamilyRow* FamilyByHubId(std::string_view hub_id) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const auto& r) { return r.hub_id == hub_id; });
  return row == std::end(kRows) ? nullptr : row;
}

const FamilyRow* FamilyByOpenClipName(std::string_view model, std::string_view tag) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const FamilyRow& r) {
    return !tag.empty() && r.open_clip_tag == tag && SameArchitecture(r.architecture, model);
  });
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace diptych
