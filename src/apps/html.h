// Pages that stand alone: one file with its pictures inside.
#ifndef DIPTYCH_APPS_HTML_H_
#define DIPTYCH_APPS_HTML_H_

#include <string>
#include <string_view>
#include <vector>

#include "clip/batcher.h"
#include "core/status.h"

namespace diptych {

/// Text for an element's content or a quoted attribute. Bytes that are not UTF-8 stay: browsers show U+FFFD for them.
std::string EscapeHtml(std::string_view text);

/// A picture in a page.
struct Card {
  std::string path;                // as stores keep it
  std::string title;               // under the picture
  std::vector<std::string> notes;  // smaller, below
  bool dimmed = false;
};

/// Cards under a heading.
struct CardGroup {
  std::string title;
  std::vector<Card> cards;
};

/// Writes a contact sheet. A picture that cannot be read any more is shown as its path.
Status WriteContactSheet(const std::string& path, const std::string& title, const std::string& summary,
                         const std::vector<CardGroup>& groups, const DecodeOptions& decode);

/// A stored path as a picture that can be read: a file, or a member of an archive "x.tar/NAME".
PictureRef StoredPictureRef(const std::string& path);

}  // namespace diptych

#endif  // DIPTYCH_APPS_HTML_H_
