// Embeddings: pictures and texts as vectors of one space.
#ifndef DIPTYCH_EMBED_H_
#define DIPTYCH_EMBED_H_

#include <string>

#include "diptych/options.h"

namespace diptych {

struct EmbedOptions {
  std::string out;  // a .npy file; empty: the vectors are handed over one by one
  bool no_normalize = false;
  std::string shard;  // "i/n": only the i-th of n parts of the pictures, i from 0

  template <class V>
  void Visit(V&& visit) {
    visit(
        Field{
            .name = "out", .help = "write a float32 array (N, E), and the paths or texts beside it", .value = "F.npy"},
        out);
    visit(Field{.name = "shard",
                .help = "only this part of the pictures, i from 0; mpirun gives it too",
                .value = "i/n"},
          shard);
    visit(Field{.name = "no_normalize", .help = "leave the vectors at their own length"}, no_normalize);
  }
};

}  // namespace diptych

#endif  // DIPTYCH_EMBED_H_
