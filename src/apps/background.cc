#include "apps/background.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/check.h"

namespace diptych {
namespace {

const char* const kConcepts[] = {
    // animals
    "dog",
    "cat",
    "horse",
    "cow",
    "sheep",
    "pig",
    "bird",
    "chicken",
    "duck",
    "fish",
    "shark",
    "whale",
    "snake",
    "lizard",
    "frog",
    "turtle",
    "insect",
    "butterfly",
    "spider",
    "crab",
    "elephant",
    "bear",
    "lion",
    "monkey",
    "deer",
    "rabbit",
    "mouse",
    "kangaroo",
    "dinosaur",
    "octopus",
    // people and their bodies
    "person",
    "man",
    "woman",
    "child",
    "baby",
    "crowd of people",
    "face",
    "hand",
    "dancer",
    "athlete",
    "soldier",
    // food
    "fruit",
    "apple",
    "banana",
    "orange",
    "vegetable",
    "tomato",
    "bread",
    "cake",
    "pizza",
    "sandwich",
    "meat",
    "cheese",
    "soup",
    "bowl of rice",
    "ice cream",
    "cup of coffee",
    "glass of wine",
    "bottle",
    "carton of milk",
    "packaged food",
    // plants and land
    "flower",
    "rose",
    "tree",
    "leaf",
    "grass",
    "mushroom",
    "cactus",
    "forest",
    "mountain",
    "beach",
    "sea",
    "river",
    "lake",
    "desert",
    "field",
    "sky",
    "cloud",
    "snow",
    "fire",
    "rock",
    "moon",
    "galaxy of stars",
    "sunset",
    // buildings and places
    "house",
    "tall building",
    "church",
    "castle",
    "bridge",
    "street",
    "road",
    "city",
    "garden",
    "park",
    "kitchen",
    "bathroom",
    "bedroom",
    "office",
    "shop",
    "restaurant",
    "classroom",
    "factory",
    "stadium",
    "tower",
    "statue",
    // vehicles
    "car",
    "truck",
    "bus",
    "motorcycle",
    "bicycle",
    "train",
    "airplane",
    "helicopter",
    "boat",
    "ship",
    "rocket",
    "tractor",
    // things
    "chair",
    "table",
    "sofa",
    "bed",
    "lamp",
    "clock",
    "mirror",
    "door",
    "window",
    "book",
    "newspaper",
    "pen",
    "scissors",
    "knife",
    "spoon",
    "plate",
    "pot",
    "box",
    "bag",
    "umbrella",
    "ball",
    "toy",
    "doll",
    "computer",
    "keyboard",
    "phone",
    "television",
    "camera",
    "headphones",
    "watch",
    "ring",
    "coin",
    "key",
    "hammer",
    "screw",
    "machine",
    "gear",
    "engine",
    "wheel",
    "battery",
    "cable",
    "rope",
    "candle",
    "balloon",
    "flag",
    "gun",
    "sword",
    "guitar",
    "piano",
    "drum",
    "trumpet",
    // clothes
    "shirt",
    "trousers",
    "dress",
    "skirt",
    "coat",
    "hat",
    "shoes",
    "boots",
    "gloves",
    "glasses",
    "sports uniform",
    // pictures of no thing
    "text",
    "document",
    "map",
    "chart",
    "logo",
    "drawing",
    "painting",
    "cartoon",
    "pattern",
    "texture",
    "screenshot",
    "medical scan",
    "blurry picture",
    "dark picture",
    "blank wall",
    "noise",
};

}  // namespace

std::vector<float> EmbedBackground(const Clip& clip, Context& context) {
  std::vector<std::string> prompts;
  for (const char* concept_name : kConcepts) prompts.push_back(std::string("a photo of a ") + concept_name);
  std::vector<float> embeddings(prompts.size() * static_cast<size_t>(clip.embed_dim()));
  clip.EncodeTexts(context, prompts, embeddings.data());
  return embeddings;
}

// A picture of nothing on the list is as near to the labels as to any other concept: its cosines with the background
// are draws from one distribution, nearly normal. If z is how many deviations the best label lies above their mean,
// Phi(z)^M is the chance that the best of the M draws would have come out lower. It needs no scale of the model and is
// not disturbed by a background concept that means the same as a label.
double InListProbability(std::span<const float> labels, std::span<const float> background,
                         std::span<const float> picture) {
  const size_t e = picture.size(), m = background.size() / e;
  CHECK_GE(m, 2u);
  const auto cosine = [&](const float* row) {
    double dot = 0;
    for (size_t k = 0; k < e; ++k) dot += row[k] * picture[k];
    return dot;
  };
  double best = -1;
  for (size_t i = 0; i < labels.size(); i += e) best = std::max(best, cosine(labels.data() + i));
  double sum = 0, squares = 0;
  for (size_t i = 0; i < background.size(); i += e) {
    const double c = cosine(background.data() + i);
    sum += c;
    squares += c * c;
  }
  const double mean = sum / static_cast<double>(m);
  const double deviation = std::sqrt(std::max(1e-12, squares / static_cast<double>(m) - mean * mean));
  const double z = (best - mean) / deviation;
  return std::pow(0.5 * std::erfc(-z / std::sqrt(2.0)), static_cast<double>(m));
}

}  // namespace diptych
