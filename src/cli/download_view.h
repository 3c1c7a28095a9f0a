// A model's download as the user sees it.
#ifndef DIPTYCH_CLI_DOWNLOAD_VIEW_H_
#define DIPTYCH_CLI_DOWNLOAD_VIEW_H_

#include "clip/models.h"

namespace diptych::cli {

/// One line on standard error that is drawn over itself, where that is a terminal; nothing elsewhere.
ResolveOptions WithDownloadView(ResolveOptions options = {});

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_DOWNLOAD_VIEW_H_
