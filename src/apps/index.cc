#include "apps/index.h"

#include <chrono>
#include <filesystem>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "apps/fingerprints.h"
#include "apps/open_store.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxCaption = 65536;
constexpr auto kMaxCommitDelay = std::chrono::seconds(20);  // slow pictures are not lost for long either

bool IsAddress(const std::string& path) {
  return path.starts_with("http://") || path.starts_with("https://");
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// img2dataset's and many trainers' habit: photo.txt beside photo.jpg.
std::string CaptionBeside(const std::string& path) {
  const Result<std::string> text = ReadFile(fs::path(path).replace_extension(".txt").string(), kMaxCaption);
  if (!text.ok()) return "";
  const size_t end = text->find_last_not_of(" \t\r\n");
  return end == std::string::npos ? "" : text->substr(0, end + 1);
}

class Indexer {
 public:
  Indexer(PictureInputs& inputs, const IndexRequest& request, PictureStore& store, const Runtime& runtime)
      : inputs_(inputs),
        request_(request),
        store_(store),
        runtime_(runtime),
        meter_(runtime.progress, inputs.total()) {}

  Result<IndexCounts> Run(const Clip& clip) {
    RETURN_IF_ERROR(ReadKnown());
    FindRoots();
    BatchOptions batch = request_.batch;
    batch.normalize = true;
    batch.inspect = [this](int64_t index, ByteSpan bytes, const Image& image) { Inspect(index, bytes, image); };
    EmbedPictures(
        clip, [this] { return Next(); }, batch, [this](const EmbeddedPicture& picture) { return Take(picture); });
    meter_.Finish();
    RETURN_IF_ERROR(broken_);
    if (!Stopped()) ForgetMissing();
    RETURN_IF_ERROR(store_.Commit());
    return counts_;
  }

 private:
  struct Known {
    FileTimes times;
    Hash128 content;
    bool seen = false;
    bool damaged = false;  // what is stored of it has to be made again
  };
  struct Pending {
    StoredPicture picture;
    bool known = false;
  };

  bool Stopped() const { return request_.watch != nullptr && request_.watch->stop.load(std::memory_order_relaxed); }

  Status ReadKnown() {
    RETURN_IF_ERROR(store_.ForEach([this](const StoredPicture& picture) {
      known_[picture.path] = {{picture.bytes, picture.modified}, picture.content};
      by_size_.emplace(picture.bytes, picture.path);
      return Status::Ok();
    }));
    if (request_.watch != nullptr) return Status::Ok();  // every vector would be read at each change
    ASSIGN_OR_RETURN(const std::vector<std::string> damaged, store_.DamagedPictures());
    for (const std::string& path : damaged) known_[path].damaged = true;
    return Status::Ok();
  }

  void FindRoots() {
    for (const std::string& input : request_.inputs.inputs) {
      std::error_code ignored;
      if (fs::is_directory(input, ignored) || input.ends_with(".tar")) roots_.insert(StoredPath(input));
    }
  }

  // The next picture that has to be embedded; what is known already is passed over.
  std::optional<PictureRef> Next() {
    while (!Stopped()) {
      std::optional<PictureRef> ref = inputs_.Next();
      if (!ref) break;
      const std::string path = StoredPath(ref->name);
      const std::lock_guard lock(mutex_);
      if (roots_.contains(path)) {
        roots_.erase(path);  // it could not be read whole: nothing of it is forgotten
        ++next_index_;
      } else if (!request_.part.Has(path) || IsKnown(path, *ref)) {
        meter_.Step();
        continue;
      }
      return ref;
    }
    return std::nullopt;
  }

  // False, with the picture made pending, where it must be embedded.
  bool IsKnown(const std::string& path, const PictureRef& ref) {
    const std::optional<std::string> archive = ArchiveOf(path);
    const FileTimes times = TimesOf(archive.value_or(path)).value_or(FileTimes{});
    const auto known = known_.find(path);
    if (known != known_.end()) {
      if (std::exchange(known->second.seen, true)) return true;  // named twice
      const bool whole = !known->second.damaged;
      const bool same_size = whole && (archive || known->second.times.bytes == times.bytes);
      if ((whole && IsAddress(path)) || (same_size && known->second.times.modified == times.modified)) {
        return ++counts_.unchanged, true;
      }
      if (same_size && !archive && ContentOf(ref) == known->second.content) {
        store_.Rename(path, {.path = path, .bytes = times.bytes, .modified = times.modified});  // only touched
        return ++counts_.unchanged, true;
      }
    } else if (!archive && !IsAddress(path) && WasRenamed(path, ref, times)) {
      return ++counts_.renamed, true;
    }
    Pending& pending = pending_[next_index_++];
    pending.known = known != known_.end();
    pending.picture.path = path;
    pending.picture.bytes = times.bytes;
    pending.picture.modified = times.modified;
    if (!archive && !IsAddress(path)) pending.picture.caption = CaptionBeside(ref.path);
    if (!pending.known) known_[path].seen = true;
    return false;
  }

  static std::optional<Hash128> ContentOf(const PictureRef& ref) {
    const Result<std::string> bytes = ReadPictureBytes(ref);
    if (!bytes.ok()) return std::nullopt;
    return HashBytes({reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()});
  }

  // Only files of its size that are not where they were can have been this one: most new pictures are not even read.
  bool WasRenamed(const std::string& path, const PictureRef& ref, const FileTimes& times) {
    std::optional<Hash128> content;
    const auto [begin, end] = by_size_.equal_range(times.bytes);
    for (auto it = begin; it != end; ++it) {
      Known& old = known_[it->second];
      if (old.seen || old.damaged || !request_.part.Has(it->second) || TimesOf(it->second)) continue;
      if (!content) content = ContentOf(ref);
      if (content != old.content) continue;
      store_.Rename(it->second, {.path = path, .bytes = times.bytes, .modified = times.modified});
      old.seen = true;
      known_[path].seen = true;
      return true;
    }
    return false;
  }

  void Inspect(int64_t index, ByteSpan bytes, const Image& image) {
    StoredPicture* picture = nullptr;  // stays where it is, and nobody else's, until its embedding comes
    {
      const std::lock_guard lock(mutex_);
      picture = &pending_.at(index).picture;
    }
    SetFingerprint(bytes, image, *picture);
  }

  bool Take(const EmbeddedPicture& embedded) {
    const std::lock_guard lock(mutex_);
    meter_.Step();
    auto node = pending_.extract(embedded.index);
    if (!embedded.status.ok()) {
      ++counts_.skipped;
      if (runtime_.skip) runtime_.skip(embedded.name, embedded.status);
      return true;
    }
    Pending& pending = node.mapped();
    pending.picture.indexed = Now();
    ++(pending.known ? counts_.changed : counts_.added);
    if (pending.known) store_.Remove(pending.picture.path);  // its new bytes may belong to another shard
    store_.Add(std::move(pending.picture), embedded.embedding);
    const bool due = store_.pending() >= request_.options.commit_every || Clock::now() - committed_ > kMaxCommitDelay;
    if (due) {
      broken_ = store_.Commit();
      committed_ = Clock::now();
    }
    return broken_.ok();
  }

  void ForgetMissing() {
    if (request_.options.keep_missing) return;
    for (const auto& [path, known] : known_) {
      if (known.seen || !request_.part.Has(path) || !UnderRoot(path)) continue;
      store_.Remove(path);
      ++counts_.removed;
    }
  }

  bool UnderRoot(const std::string& path) const {
    for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      if (roots_.contains(path.substr(0, slash))) return true;
    }
    return roots_.contains("/");
  }

  using Clock = std::chrono::steady_clock;
  PictureInputs& inputs_;
  const IndexRequest& request_;
  PictureStore& store_;
  const Runtime& runtime_;
  std::set<std::string> roots_;  // folders and archives whose whole content is seen in this run

  std::mutex mutex_;  // workers inspect while another one takes the next picture or a result
  ProgressMeter meter_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_multimap<int64_t, std::string> by_size_;
  std::unordered_map<int64_t, Pending> pending_;  // by index in the source
  int64_t next_index_ = 0;
  IndexCounts counts_;
  Clock::time_point committed_ = Clock::now();
  Status broken_;
};

}  // namespace

StoreIdentity IdentityOf(const Clip& clip, const std::string& name) {
  return {.model = ModelName(name), .fingerprint = clip.fingerprint(), .e = clip.embed_dim()};
}

Result<IndexCounts> IndexPictures(const Clip& clip, PictureInputs& inputs, const IndexRequest& request,
                                  PictureStore& store, const Runtime& runtime) {
  return Indexer(inputs, request, store, runtime).Run(clip);
}

Result<IndexSummary> IndexInto(const Clip& clip, PictureInputs& inputs, const IndexRequest& request,
                               const StoreIdentity& identity, const Runtime& runtime) {
  IndexSummary summary;
  ASSIGN_OR_RETURN(const OpenedStore store, OpenStoreForWriting(request.options.store, identity));
  ASSIGN_OR_RETURN(summary.counts, IndexPictures(clip, inputs, request, store.pictures(), runtime));
  RETURN_IF_ERROR(RefreshSearch(store, runtime.threads));
  summary.pictures = store.pictures().count();
  return summary;
}

}  // namespace diptych
