#include "apps/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "image/picture_files.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                             IN_MOVE_SELF | IN_ONLYDIR;

// A file that is created is written to later, which tells by itself; a link is all there at once.
bool IsLink(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 && (S_ISLNK(info.st_mode) || info.st_nlink > 1);
}

}  // namespace

Result<std::unique_ptr<FolderWatch>> FolderWatch::Open(const std::vector<std::string>& folders) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return IoError("inotify", std::string("cannot be used: ") + std::strerror(errno));
  std::unique_ptr<FolderWatch> watch(new FolderWatch(fd));
  for (const std::string& folder : folders) {
    RETURN_IF_ERROR(watch->Add(folder));
    watch->roots_.insert(folder);
  }
  return watch;
}

FolderWatch::~FolderWatch() {
  ::close(fd_);
}

Status FolderWatch::Add(const std::string& folder) {
  const int id = ::inotify_add_watch(fd_, folder.c_str(), kEvents);
  if (id < 0 && errno == ENOSPC) {
    return Unavailable(folder, "the system watches no more folders", "raise fs.inotify.max_user_watches with sysctl");
  }
  if (id < 0) return IoError(folder, std::string("cannot be watched: ") + std::strerror(errno));
  folder_of_[id] = folder;
  // Listed after it is watched: a folder that is made meanwhile is met by one or the other.
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->path().filename().string().starts_with(".") || it->is_symlink(ignored)) continue;
    if (!it->is_directory(ignored)) continue;
    const Status status = Add(it->path().string());
    if (status.code() == StatusCode::kUnavailable) return status;  // others: gone again, or not ours to read
  }
  return Status::Ok();
}

Result<bool> FolderWatch::Wait(std::chrono::milliseconds most) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + most;
  while (true) {
    bool changed = false;
    RETURN_IF_ERROR(AddLostRoots(&changed));
    if (changed) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd poller{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&poller, 1, static_cast<int>(std::max<int64_t>(0, left.count())));
    if (ready < 0 && errno != EINTR) return IoError("inotify", std::strerror(errno));
    if (ready <= 0) return false;
    ASSIGN_OR_RETURN(changed, ReadEvents());
    if (changed) return true;
  }
}

// A root that was moved or deleted, perhaps a disk that was taken out, is watched again once it is back.
Status FolderWatch::AddLostRoots(bool* changed) {
  for (auto it = lost_.begin(); it != lost_.end();) {
    std::error_code ignored;
    if (!fs::is_directory(*it, ignored)) {
      ++it;
      continue;
    }
    RETURN_IF_ERROR(Add(*it));
    it = lost_.erase(it);
    *changed = true;
  }
  return Status::Ok();
}

Result<bool> FolderWatch::ReadEvents() {
  alignas(inotify_event) char buffer[16384];
  bool changed = false;
  while (true) {
    const ssize_t size = ::read(fd_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) return IoError("inotify", std::strerror(errno));
    if (size <= 0) return changed;
    for (ssize_t at = 0; at < size;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {  // what was missed may be folders
        for (const std::string& root : roots_) {
          if (!Add(root).ok()) lost_.insert(root);
        }
        changed = true;
        continue;
      }
      const auto found = folder_of_.find(event.wd);
      if (found == folder_of_.end()) continue;
      const std::string folder = found->second;
      if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
        if (roots_.contains(folder)) lost_.insert(folder), changed = true;
        continue;
      }
      if ((event.mask & IN_IGNORED) != 0) {
        folder_of_.erase(found);
        continue;
      }
      const std::string name = event.len > 0 ? event.name : "";
      if (name.empty() || name.starts_with(".")) continue;
      const std::string path = folder + "/" + name;
      if ((event.mask & IN_ISDIR) != 0) {
        if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
          const Status added = Add(path);
          if (added.code() == StatusCode::kUnavailable) return added;
        }
        changed = true;
      } else if (HasPictureSuffix(name)) {
        changed |= (event.mask & IN_CREATE) == 0 || IsLink(path);
      }
    }
  }
}

}  // namespace diptych
