#include "apps/dedup.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "image/fingerprint.h"
#include "index/near_hashes.h"
#include "index/similar_pairs.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

// Bits of the detailed hash for one of the small one: it has four times as many, and those of higher frequencies change
// more. Of 6,000 pairs of copies (bench/dedup_peers.py) 99.9 % agree in the small hash, in 14 bits or less, and so do
// 1,853 pairs of other pictures; the detailed one leaves 99.6 % of the former and 27 of the latter.
constexpr int kDetailBits = 5;
// Where a picture has no detailed hash (its store is older) it has to mean about the same: small hashes alone take a
// white page with a line for another.
constexpr float kNearFloor = 0.8f;
// Pictures that are compared with all others to know what was missed: as many as this many products allow.
constexpr double kRecallWork = 4e11;
constexpr int64_t kMinRecallSamples = 256, kMaxRecallSamples = 4096;

enum class Tier : uint8_t { kExact, kNear, kSemantic, kNone };

const char* NameOf(Tier tier) {
  constexpr const char* kNames[] = {"exact", "near", "semantic", "none"};
  return kNames[static_cast<size_t>(tier)];
}

// What grouping needs of a picture; paths are looked up for the output alone.
struct Item {
  int64_t slot = 0;
  Hash128 content;
  uint64_t phash = 0;
  DetailHash detail = {};
  int64_t pixels = 0, bytes = 0, modified = 0;
  double sharpness = 0;
  int64_t order = 0;  // of its path among all
};

class Deduper {
 public:
  /// Of a store, or of pictures that have no embeddings: then `store` is null.
  Deduper(const Store* store, const std::vector<StoredPicture>* pictures, const Store* against,
          const DedupOptions& options, const Runtime& runtime)
      : store_(store), pictures_(pictures), against_(against), options_(options), runtime_(runtime) {
    limit_ = options.tier == "exact" ? Tier::kExact : options.tier == "near" ? Tier::kNear : Tier::kSemantic;
  }

  Result<DedupResult> Run() {
    RETURN_IF_ERROR(ReadItems());
    FindPairs();
    RankItems();
    Group();
    return Describe();
  }

 private:
  // The items of the store in question come first, those of `against` after them.
  Status ReadItems() {
    std::vector<std::string> paths;
    const auto read = [&](const StoredPicture& picture) {
      items_.push_back({.slot = picture.slot,
                        .content = picture.content,
                        .phash = picture.phash,
                        .detail = picture.detail,
                        .pixels = int64_t{picture.width} * picture.height,
                        .bytes = picture.bytes,
                        .modified = picture.modified,
                        .sharpness = picture.sharpness});
      paths.push_back(picture.path);
    };
    if (pictures_ != nullptr) std::for_each(pictures_->begin(), pictures_->end(), read);
    if (store_ != nullptr) rows_.e = store_->identity().e;
    for (const Store* store : {store_, against_}) {
      if (store != nullptr) {
        RETURN_IF_ERROR(store->ForEach([&](const StoredPicture& picture) {
          read(picture);
          rows_.rows.push_back(store->vectors().Row(picture.slot).data());
          return Status::Ok();
        }));
      }
      if (store == store_) own_ = static_cast<int64_t>(items_.size());
    }
    std::vector<uint32_t> order(items_.size());
    std::iota(order.begin(), order.end(), 0u);
    // Of equal pictures the one with the shorter path stays: "a.jpg" rather than "a copy.jpg".
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      if (paths[a].size() != paths[b].size()) return paths[a].size() < paths[b].size();
      return paths[a] != paths[b] ? paths[a] < paths[b] : a < b;
    });
    for (size_t i = 0; i < order.size(); ++i) items_[order[i]].order = static_cast<int64_t>(i);
    return Status::Ok();
  }

  static bool HasDetail(const Item& item) { return item.detail != DetailHash{}; }

  bool SamePicture(uint32_t a, uint32_t b, float cosine) const {
    const Item &x = items_[a], &y = items_[b];
    if (x.phash == 0 || y.phash == 0 || HashDistance(x.phash, y.phash) > options_.distance) return false;
    if (!HasDetail(x) || !HasDetail(y)) return cosine >= kNearFloor;
    return HashDistance(x.detail, y.detail) <= kDetailBits * options_.distance;
  }

  Tier TierOf(uint32_t a, uint32_t b, float cosine) const {
    const Item &x = items_[a], &y = items_[b];
    if (x.content == y.content && x.bytes == y.bytes) return Tier::kExact;
    if (SamePicture(a, b, cosine)) return Tier::kNear;
    return cosine >= static_cast<float>(options_.threshold) ? Tier::kSemantic : Tier::kNone;
  }

  bool HasEmbeddings() const { return !rows_.rows.empty(); }
  float CosineOf(uint32_t a, uint32_t b) const {
    if (!HasEmbeddings()) return 0;
    std::vector<float> x(static_cast<size_t>(rows_.e));
    CopyRows(rows_, std::span(&a, 1), x.data());
    float cosine = 0;
    kernels::ScoreHalves(rows_.rows[b], 1, rows_.e, rows_.e, x.data(), &cosine);
    return cosine;
  }

  // Copies of the same bytes are one picture to the search for likeness: thousands of them would be millions of pairs.
  void FindPairs() {
    std::unordered_map<Hash128, uint32_t, Hash128Hasher> first_of;
    std::vector<uint32_t> item_of;  // by row of the two searches
    int64_t own = 0;
    const auto same_side = [this](uint32_t a, uint32_t b) { return against_ == nullptr || IsOwn(a) == IsOwn(b); };
    for (uint32_t i = 0; i < items_.size(); ++i) {
      const auto [it, is_new] = first_of.emplace(items_[i].content, i);
      if (!is_new && items_[it->second].bytes == items_[i].bytes) {
        copies_[it->second].push_back(i);
        if (same_side(it->second, i)) continue;
      }
      item_of.push_back(i);
      own += IsOwn(i);
    }
    links_.resize(items_.size());
    centroid_cosine_.resize(items_.size());
    if (limit_ == Tier::kExact) return;
    Context context(runtime_.threads);
    const int64_t from = against_ != nullptr ? own : 0;
    FindSamePictures(context, item_of, from);
    if (HasEmbeddings()) FindSameScenes(context, item_of, from);
  }

  // By their hashes alone: no pair is missed.
  void FindSamePictures(const Context& context, const std::vector<uint32_t>& item_of, int64_t from) {
    std::vector<uint64_t> hashes;
    for (const uint32_t item : item_of) hashes.push_back(items_[item].phash);
    const HashPairTest wanted = [&](uint32_t a, uint32_t b) { return ByHashes(item_of[a], item_of[b]); };
    for (const HashPair& pair : FindHashPairs(context, hashes, {.distance = options_.distance, .from = from}, wanted)) {
      Link(item_of[pair.a], item_of[pair.b], CosineOf(item_of[pair.a], item_of[pair.b]));
    }
  }
  bool ByHashes(uint32_t a, uint32_t b) const {
    return HasDetail(items_[a]) && HasDetail(items_[b]) && SamePicture(a, b, 0);
  }

  // What the hashes could not tell.
  void FindSameScenes(Context& context, const std::vector<uint32_t>& item_of, int64_t from) {
    const bool all_detailed = std::all_of(items_.begin(), items_.end(), [](const Item& item) {
      return item.phash == 0 || HasDetail(item);
    });
    const bool by_centre = options_.keep == "central" || options_.keep == "outlying";
    if (limit_ == Tier::kNear && all_detailed && !by_centre) return;
    HalfRows rows{.e = rows_.e};
    for (const uint32_t item : item_of) rows.rows.push_back(rows_.rows[item]);
    // A pair is found by the lowest cosine that any tier accepts; the test then says which tier it is.
    const auto threshold = static_cast<float>(options_.threshold);
    PairOptions options{.cosine = all_detailed ? threshold : std::min(kNearFloor, threshold), .from = from};
    const PairTest wanted = [&](uint32_t a, uint32_t b, float cosine) {
      const uint32_t x = item_of[a], y = item_of[b];
      return !ByHashes(x, y) && TierOf(x, y, cosine) <= limit_;
    };
    const SimilarPairs found = FindSimilarPairs(context, rows, options, wanted);
    const double samples = kRecallWork / (static_cast<double>(rows.n()) * static_cast<double>(rows.e) + 1);
    recall_ = EstimateRecall(context, rows, options, wanted, found,
                             std::clamp(static_cast<int64_t>(samples), kMinRecallSamples, kMaxRecallSamples));
    for (const SimilarPair& pair : found.pairs) Link(item_of[pair.a], item_of[pair.b], pair.cosine);
    for (size_t row = 0; row < item_of.size(); ++row) centroid_cosine_[item_of[row]] = found.centroid_cosine[row];
  }

  void Link(uint32_t a, uint32_t b, float cosine) {
    links_[a].push_back({b, cosine});
    links_[b].push_back({a, cosine});
  }

  bool IsOwn(uint32_t item) const { return static_cast<int64_t>(item) < own_; }

  // Items in the order in which they are offered to stay.
  void RankItems() {
    ranked_.resize(items_.size());
    std::iota(ranked_.begin(), ranked_.end(), 0u);
    const std::string& rule = options_.keep;
    const auto key = [&](uint32_t i) -> std::array<double, 3> {
      const Item& item = items_[i];
      const auto cosine = static_cast<double>(centroid_cosine_[i]);
      if (rule == "newest") return {-static_cast<double>(item.modified), 0, 0};
      if (rule == "oldest") return {static_cast<double>(item.modified), 0, 0};
      if (rule == "central") return {-cosine, 0, 0};
      if (rule == "outlying") return {cosine, 0, 0};
      if (rule == "first") return {0, 0, 0};
      return {-static_cast<double>(item.pixels), -item.sharpness, -static_cast<double>(item.bytes)};
    };
    std::sort(ranked_.begin(), ranked_.end(), [&](uint32_t a, uint32_t b) {
      if (IsOwn(a) != IsOwn(b)) return IsOwn(b);  // what the other store holds stays
      const auto x = key(a), y = key(b);
      return x != y ? x < y : items_[a].order < items_[b].order;
    });
  }

  struct Member {
    uint32_t item;
    Tier tier;
    float cosine;
  };

  void Group() {
    // Links are of the first of equal copies: each of them stands for all.
    std::vector<uint32_t> first(items_.size());
    std::iota(first.begin(), first.end(), 0u);
    for (const auto& [one, others] : copies_) {
      for (const uint32_t other : others) first[other] = one;
    }
    std::vector<bool> taken(items_.size());
    for (const uint32_t keeper : ranked_) {
      if (taken[keeper]) continue;
      if (against_ != nullptr && IsOwn(keeper)) break;  // only the other store's pictures gather groups
      std::vector<Member> group;
      const auto take = [&](uint32_t item, Tier tier, float cosine) {
        if (item == keeper || taken[item] || (against_ != nullptr && !IsOwn(item))) return;
        taken[item] = true;
        group.push_back({item, tier, cosine});
      };
      const auto take_all = [&](uint32_t item, float cosine) {
        const uint32_t one = first[item];
        take(one, TierOf(keeper, one, cosine), cosine);
        if (const auto copies = copies_.find(one); copies != copies_.end()) {
          for (const uint32_t copy : copies->second) take(copy, TierOf(keeper, copy, cosine), cosine);
        }
      };
      take_all(keeper, 1.0f);
      for (const auto& [other, cosine] : links_[first[keeper]]) take_all(other, cosine);
      if (first[keeper] != keeper) {
        for (const auto& [other, cosine] : links_[keeper]) take_all(other, cosine);
      }
      if (group.empty()) continue;
      taken[keeper] = true;
      std::sort(group.begin(), group.end(), [&](const Member& a, const Member& b) {
        if (a.tier != b.tier) return a.tier < b.tier;
        return a.cosine != b.cosine ? a.cosine > b.cosine : items_[a.item].order < items_[b.item].order;
      });
      groups_.emplace_back(keeper, std::move(group));
    }
    in_group_ = std::move(taken);
  }

  Result<std::string> PathOf(uint32_t item) const {
    if (IsOwn(item) && store_ == nullptr) return (*pictures_)[item].path;
    ASSIGN_OR_RETURN(StoredPicture picture, (IsOwn(item) ? store_ : against_)->Get(items_[item].slot));
    return std::move(picture.path);
  }

  Result<DedupResult> Describe() const {
    DedupResult result;
    result.counts.pictures = own_;
    result.counts.groups = static_cast<int64_t>(groups_.size());
    result.counts.recall = recall_.share;
    result.counts.recall_least = recall_.least;
    result.counts.recall_pairs = recall_.pairs;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto& [keeper, members] = groups_[g];
      DuplicateRow row{.group = static_cast<int64_t>(g), .keep = true, .tier = NameOf(members[0].tier)};
      if (HasEmbeddings()) row.cosine = 1;
      ASSIGN_OR_RETURN(row.path, PathOf(keeper));
      result.rows.push_back(row);
      for (const Member& member : members) {
        ASSIGN_OR_RETURN(row.path, PathOf(member.item));
        row.keep = false;
        row.tier = NameOf(member.tier);
        if (HasEmbeddings()) row.cosine = static_cast<double>(member.cosine);
        result.rows.push_back(row);
        ++(member.tier == Tier::kExact  ? result.counts.exact
           : member.tier == Tier::kNear ? result.counts.near
                                        : result.counts.semantic);
      }
    }
    for (uint32_t i = 0; i < static_cast<uint32_t>(own_); ++i) {
      if (in_group_[i]) continue;
      ASSIGN_OR_RETURN(std::string path, PathOf(i));
      result.unique.push_back(std::move(path));
    }
    return result;
  }

  const Store* store_;                           // null: there are pictures_ instead
  const std::vector<StoredPicture>* pictures_;  // without embeddings
  const Store* against_;                         // may be null
  const DedupOptions& options_;
  const Runtime& runtime_;
  Tier limit_;
  std::vector<Item> items_;
  int64_t own_ = 0;  // items of store_
  HalfRows rows_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> copies_;  // of the first item with these bytes
  std::vector<std::vector<std::pair<uint32_t, float>>> links_;  // by item: others and the cosine with them
  std::vector<float> centroid_cosine_;
  std::vector<uint32_t> ranked_;
  std::vector<std::pair<uint32_t, std::vector<Member>>> groups_;
  std::vector<bool> in_group_;
  RecallEstimate recall_;
};

}  // namespace

Result<DedupResult> FindDuplicates(const Store& store, const Store* against, const DedupOptions& options,
                                   const Runtime& runtime) {
  if (against != nullptr) RETURN_IF_ERROR(store.CheckModel(against->identity()).Within(against->folder()));
  return Deduper(&store, nullptr, against, options, runtime).Run();
}

bool NeedsNoEmbeddings(const DedupOptions& options) {
  return options.tier != "semantic" && options.keep != "central" && options.keep != "outlying";
}

Result<DedupResult> FindCopies(const std::vector<StoredPicture>& pictures, const DedupOptions& options,
                               const Runtime& runtime) {
  CHECK(NeedsNoEmbeddings(options));
  return Deduper(nullptr, &pictures, nullptr, options, runtime).Run();
}

}  // namespace diptych
