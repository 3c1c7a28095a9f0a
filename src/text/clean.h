// What is done to a text before it is split into tokens.
#ifndef DIPTYCH_TEXT_CLEAN_H_
#define DIPTYCH_TEXT_CLEAN_H_

#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace diptych {

/// The text as `mode` leaves it, equal to open_clip's function of that name. Any bytes are accepted: what is not UTF-8
/// becomes U+FFFD. With kNone only that happens.
std::string CleanText(std::string_view text, TextClean mode);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_CLEAN_H_
