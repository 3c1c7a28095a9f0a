#include "apps/info.h"

namespace diptych {

ModelInfo DescribeModel(const Clip& clip, const std::string& name) {
  const ClipConfig& config = clip.config();
  ModelInfo info{.model = name,
                 .folder = config.folder,
                 .family = config.family,
                 .container = NameOf(config.container),
                 .parameters = clip.parameter_count(),
                 .embed_dim = config.embed_dim,
                 .image_size = config.preprocess.crop,
                 .context_length = clip.tokenizer().context_length(),
                 .tokenizer = clip.tokenizer().description(),
                 .logit_scale = clip.logit_scale(),
                 .logit_bias = clip.logit_bias(),
                 .fingerprint = clip.fingerprint(),
                 .license = config.license,
                 .files = config.weights};
  for (const Fact& fact : config.facts) info.facts.push_back({fact.name, fact.value, fact.source});
  return info;
}

}  // namespace diptych
