// Cosine similarity of pictures with pictures and texts.
#ifndef DIPTYCH_SIMILARITY_H_
#define DIPTYCH_SIMILARITY_H_

#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct SimilarityOptions {
  std::vector<std::string> with;  // pictures to compare with
  std::vector<std::string> texts;
  std::string texts_file;
  std::string matrix;  // .npy or .png

  template <class V>
  void Visit(V&& visit) {
    visit(
        Field{
            .name = "with", .help = "pictures to compare with; repeat for more [the inputs themselves]", .value = "B"},
        with);
    visit(Field{.name = "text", .help = "a text to compare with; repeat for more", .value = "T"}, texts);
    visit(Field{.name = "texts_file", .help = "a UTF-8 file with a text in each line", .value = "FILE"}, texts_file);
    visit(Field{.name = "matrix",
                .help = "write all values: as numbers, or drawn with thumbnails and captions",
                .value = "F.npy|F.png"},
          matrix);
  }
};

}  // namespace diptych

#endif  // DIPTYCH_SIMILARITY_H_
