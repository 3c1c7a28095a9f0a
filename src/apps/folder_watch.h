// Notices that pictures under folders have changed (inotify).
#ifndef DIPTYCH_APPS_FOLDER_WATCH_H_
#define DIPTYCH_APPS_FOLDER_WATCH_H_

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/status.h"

namespace diptych {

/// Says that something has changed, not what: whoever is told looks for itself. One thread at a time.
class FolderWatch {
 public:
  /// Folders with all below them but what is hidden. Errors: something that is no folder; the system watches no more.
  static Result<std::unique_ptr<FolderWatch>> Open(const std::vector<std::string>& folders);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// True as soon as a picture has come, gone, moved or been written to its end, or a folder likewise; false when the
  /// time is over or a signal came. What happened between two calls counts.
  Result<bool> Wait(std::chrono::milliseconds most);

 private:
  explicit FolderWatch(int fd) : fd_(fd) {}
  Status Add(const std::string& folder);
  Result<bool> ReadEvents();
  Status AddLostRoots(bool* changed);

  int fd_;
  std::set<std::string> roots_, lost_;  // lost: gone for now
  std::unordered_map<int, std::string> folder_of_;
};

}  // namespace diptych

#endif  // DIPTYCH_APPS_FOLDER_WATCH_H_
