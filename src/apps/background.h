// What pictures show when they show nothing on the list: the background that "none of these" is measured against.
#ifndef DIPTYCH_APPS_BACKGROUND_H_
#define DIPTYCH_APPS_BACKGROUND_H_

#include <span>
#include <string>
#include <vector>

#include "clip/clip.h"
#include "core/context.h"

namespace diptych {

/// Embeddings (M, E), normalised, of some 200 everyday concepts.
std::vector<float> EmbedBackground(const Clip& clip, Context& context);

/// The chance that a picture shows one of the labels rather than something else of the world. `labels` (N, E),
/// `background` (M, E), M >= 2, and `picture` (E) are normalised. How well it tells: docs/numerics.md.
double InListProbability(std::span<const float> labels, std::span<const float> background,
                         std::span<const float> picture);

}  // namespace diptych

#endif  // DIPTYCH_APPS_BACKGROUND_H_
