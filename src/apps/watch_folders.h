// Keeps a store up to date with folders for as long as it runs.
#ifndef DIPTYCH_APPS_WATCH_FOLDERS_H_
#define DIPTYCH_APPS_WATCH_FOLDERS_H_

#include <functional>

#include "apps/index.h"

namespace diptych {

struct WatchSinks {
  std::function<void(const IndexSummary&)> round;  // the first, and each one that changed something
  std::function<void(const Status&)> trouble;      // for now: another writer, a server that is gone. It is tried again
};

/// Indexes request.inputs, then again each time that pictures in them have changed, until request.watch stops it. The
/// store is open only while there is something to do. runtime.skip hears of a picture once, until it can be read.
/// Errors: inputs that are not folders; whatever trying again does not mend.
Status WatchFolders(const Clip& clip, const IndexRequest& request, const StoreIdentity& identity,
                    const Runtime& runtime, const WatchSinks& sinks);

}  // namespace diptych

#endif  // DIPTYCH_APPS_WATCH_FOLDERS_H_
