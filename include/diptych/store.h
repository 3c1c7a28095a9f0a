// Care of a store of embeddings.
#ifndef DIPTYCH_STORE_H_
#define DIPTYCH_STORE_H_

#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct StoreCareOptions {
  std::vector<std::string> arguments;  // the action, the store, what else the action takes

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "argument",
                .help = "info S | verify S | gc S | merge S FROM... | export S FOLDER | import S F.npy...",
                .value = "ACTION",
                .positional = true},
          arguments);
  }
};

}  // namespace diptych

#endif  // DIPTYCH_STORE_H_
