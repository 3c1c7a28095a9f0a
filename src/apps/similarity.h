// Every picture against every picture or text of another list.
#ifndef DIPTYCH_APPS_SIMILARITY_H_
#define DIPTYCH_APPS_SIMILARITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/inputs.h"
#include "apps/runtime.h"
#include "diptych/similarity.h"
#include "image/decode.h"

namespace diptych {

/// A row or a column of the matrix.
struct MatrixSide {
  std::vector<std::string> names;  // paths or texts
  std::vector<Image> thumbnails;   // of pictures, where asked for; empty images of texts
  std::vector<float> embeddings;   // (count, E), normalised
};

struct SimilarityMatrix {
  MatrixSide a, b;            // rows, columns
  std::vector<float> cosine;  // (a, b)
};

/// A small RGB copy, its longer side as DrawMatrix shows it at most.
Image Thumbnail(const Image& image);

struct SimilarityRequest {
  SimilarityOptions options;
  BatchOptions batch;
  bool thumbnails = false;  // small pictures of each side are kept, for DrawMatrix
};

/// The columns are --with's pictures, then the texts; where neither is given, the rows themselves. Unreadable pictures
/// are skipped on both sides. Memory grows with the matrix: sides of more than 100,000, and more than 10^8 values, are
/// refused.
Result<SimilarityMatrix> CompareAll(const Clip& clip, PictureInputs& inputs, const SimilarityRequest& request,
                                    const Runtime& runtime, RunCounts* counts);

}  // namespace diptych

#endif  // DIPTYCH_APPS_SIMILARITY_H_
