#include "apps/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "apps/background.h"
#include "apps/cutoff.h"
#include "apps/html.h"
#include "kernels/convert.h"
#include "kernels/scan.h"

namespace diptych {
namespace {

constexpr int64_t kScores = 20000;  // that a null distribution is found from
constexpr int64_t kSample = 5000;   // pictures that the background's looks are learnt from
constexpr int64_t kNearest = 500;   // pictures that the query's looks are learnt from, however many are wanted

// The filter's pictures, or those that are there: null where every slot has one.
struct Allowed {
  std::optional<SlotSet> set;
  int64_t count = 0;
};

Result<Allowed> FindAllowed(const Store& store, const std::string& where) {
  Allowed allowed;
  std::optional<Filter> filter;
  if (!where.empty()) {
    ASSIGN_OR_RETURN(filter, Filter::Parse(where));
  } else if (store.count() == store.slots()) {
    allowed.count = store.count();
    return allowed;
  }
  ASSIGN_OR_RETURN(allowed.set, store.Select(filter ? &*filter : nullptr, &allowed.count));
  return allowed;
}

bool IsWords(const std::vector<QueryTerm>& terms) {
  return std::all_of(terms.begin(), terms.end(),
                     [](const QueryTerm& term) { return !term.picture && term.weight > 0; });
}

// The words as the background's concepts are put: in a competition all have to be said alike.
Result<Competition> CompeteForPictures(const Clip& clip, std::vector<QueryTerm> terms, const Runtime& runtime) {
  for (QueryTerm& term : terms) {
    if (!term.name.starts_with("a photo ") && !term.name.starts_with("a picture ")) {
      term.name = "a photo of " + term.name;
    }
  }
  ASSIGN_OR_RETURN(std::vector<float> query, EmbedQuery(clip, terms, {}, runtime));
  Context context(runtime.threads);
  return Competition(std::move(query), EmbedBackground(clip, context), static_cast<double>(clip.logit_scale()));
}

std::vector<float> ReadRows(const VectorMapping& vectors, std::span<const uint32_t> slots) {
  const int64_t e = vectors.e();
  std::vector<float> rows(slots.size() * static_cast<size_t>(e));
  for (size_t i = 0; i < slots.size(); ++i) {
    const TensorView row(vectors.Row(slots[i]).data(), DType::kF16, Shape{e});
    kernels::ToFloat(row, rows.data() + i * static_cast<size_t>(e));
  }
  return rows;
}

struct Question {
  std::vector<QueryTerm> terms;
  std::vector<float> query;  // (E): what they add up to
  size_t top = 0;            // pictures wanted
  bool learns = false;       // the store's looks: their chances are sharper about one picture, but not their sums
};

// The chances of the best question.top of the neighbours found, and these in the order of their chances.
Result<std::vector<double>> Judge(const Clip& clip, const SearchSpace& space, const Question& question,
                                  const Runtime& runtime, std::vector<Neighbor>* found) {
  std::vector<double> chances;
  if (IsWords(question.terms)) {
    ASSIGN_OR_RETURN(Competition competition, CompeteForPictures(clip, question.terms, runtime));
    std::vector<uint32_t> slots;
    for (const Neighbor& neighbor : *found) slots.push_back(static_cast<uint32_t>(neighbor.slot));
    const std::vector<float> pictures = ReadRows(*space.vectors, slots);
    const size_t e = question.query.size(), learnt = std::min(slots.size(), static_cast<size_t>(kNearest));
    Context context(runtime.threads);
    if (question.learns) {
      competition.LearnLooks(context, ReadRows(*space.vectors, SampleSlots(space, kSample)),
                             std::span(pictures).first(learnt * e));
    }
    found->resize(std::min(found->size(), question.top));
    chances = competition.ChancesOfOther(std::span(pictures).first(found->size() * e));
  } else {
    found->resize(std::min(found->size(), question.top));
    std::vector<float> scores;
    for (const Neighbor& neighbor : *found) scores.push_back(neighbor.score);
    const std::vector<uint32_t> slots = SampleSlots(space, kScores);
    std::vector<float> sample(slots.size());
    const int64_t e = space.vectors->e();
    kernels::ScoreHalvesAt(space.vectors->data(), slots.data(), static_cast<int64_t>(slots.size()), e, e,
                           question.query.data(), sample.data());
    const int64_t population = space.allowed != nullptr ? space.allowed_count : space.vectors->rows();
    chances = ChancesByNull(scores, sample, population);
  }
  std::vector<size_t> order(found->size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return chances[a] < chances[b]; });
  std::vector<Neighbor> neighbors;
  std::vector<double> sorted;
  for (const size_t i : order) {
    neighbors.push_back((*found)[i]);
    sorted.push_back(chances[i]);
  }
  *found = std::move(neighbors);
  return sorted;
}

bool HasCutoff(const SearchOptions& options) {
  return options.fdr || options.likely;
}

// How many of the pictures, in the order of their chances, are the answer.
size_t CountKept(const SearchOptions& options, std::span<const double> chances) {
  size_t count = chances.size();
  if (options.fdr) count = std::min(count, CountWithin(chances, *options.fdr));
  if (options.likely) count = std::min(count, CountLikely(chances));
  return count;
}

Result<std::vector<SearchHit>> SearchFolder(const Clip& clip, const Store& store, const SearchRequest& request,
                                            const Runtime& runtime) {
  const SearchOptions& options = request.options;
  Question question{.top = static_cast<size_t>(options.top), .learns = options.likely};
  ASSIGN_OR_RETURN(question.terms, GatherTerms(options));
  ASSIGN_OR_RETURN(question.query, EmbedQuery(clip, question.terms, request.batch, runtime));
  ASSIGN_OR_RETURN(const Allowed allowed, FindAllowed(store, options.where));
  const std::optional<Sketch> sketch = options.exact ? std::nullopt : OpenSketch(store);
  const SearchSpace space = {.vectors = &store.vectors(),
                             .sketch = sketch ? &*sketch : nullptr,
                             .allowed = allowed.set ? &*allowed.set : nullptr,
                             .allowed_count = allowed.count};
  Context context(runtime.threads);
  const int64_t k = HasCutoff(options) ? std::max<int64_t>(options.top, kNearest) : options.top;
  std::vector<Neighbor> found = FindNearest(context, space, question.query, {.k = k, .exact = options.exact});
  std::vector<double> chances;
  if (HasCutoff(options)) {
    ASSIGN_OR_RETURN(chances, Judge(clip, space, question, runtime, &found));
    found.resize(CountKept(options, chances));
  }
  std::vector<SearchHit> hits;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSIGN_OR_RETURN(StoredPicture picture, store.Get(found[i].slot));
    SearchHit hit{.path = std::move(picture.path), .score = static_cast<double>(found[i].score)};
    if (HasCutoff(options)) hit.chance = chances[i];
    hit.width = picture.width;
    hit.height = picture.height;
    hit.caption = std::move(picture.caption);
    hits.push_back(std::move(hit));
  }
  return hits;
}

Result<std::vector<SearchHit>> SearchServers(const Clip& clip, RemoteStore& store, const SearchRequest& request,
                                             const Runtime& runtime, std::vector<Status>* missing) {
  const SearchOptions& options = request.options;
  ASSIGN_OR_RETURN(const std::vector<QueryTerm> terms, GatherTerms(options));
  if (HasCutoff(options) && !IsWords(terms)) {
    return Unsupported("fdr", "on database servers it is known for words alone", "leave it out, or use a folder");
  }
  ASSIGN_OR_RETURN(const std::vector<float> query, EmbedQuery(clip, terms, request.batch, runtime));
  std::optional<Filter> filter;
  if (!options.where.empty()) {
    ASSIGN_OR_RETURN(filter, Filter::Parse(options.where));
  }
  ASSIGN_OR_RETURN(RemoteAnswer answer, store.Search(query, options.top, filter ? &*filter : nullptr, options.exact));
  *missing = std::move(answer.missing);
  std::vector<SearchHit> hits;
  std::vector<float> pictures;
  for (RemoteHit& hit : answer.hits) {
    hits.push_back({.path = std::move(hit.picture.path),
                    .score = static_cast<double>(hit.score),
                    .width = hit.picture.width,
                    .height = hit.picture.height,
                    .caption = std::move(hit.picture.caption)});
    pictures.insert(pictures.end(), hit.embedding.begin(), hit.embedding.end());
  }
  if (!HasCutoff(options)) return hits;
  // Words alone compete: the servers' other pictures, which looks could be learnt from, stay there.
  ASSIGN_OR_RETURN(const Competition competition, CompeteForPictures(clip, terms, runtime));
  std::vector<double> chances = competition.ChancesOfOther(pictures);
  for (size_t i = 0; i < hits.size(); ++i) hits[i].chance = chances[i];
  std::stable_sort(hits.begin(), hits.end(),
                   [](const SearchHit& a, const SearchHit& b) { return *a.chance < *b.chance; });
  std::sort(chances.begin(), chances.end());
  hits.resize(CountKept(options, chances));
  return hits;
}

}  // namespace

Status CheckSearchOptions(const SearchOptions& options) {
  if (options.store.empty()) return InvalidArgument("store", "no store was named", "give --store FOLDER");
  if (!options.where.empty()) RETURN_IF_ERROR(Filter::Parse(options.where).status());
  ASSIGN_OR_RETURN(const std::vector<QueryTerm> terms, GatherTerms(options));
  if (options.likely && !IsWords(terms)) {
    return InvalidArgument("likely", "with a picture in the query, or less of something, nothing competes with it",
                           "use fdr");
  }
  return Status::Ok();
}

Result<std::vector<SearchHit>> SearchStore(const Clip& clip, const OpenedStore& store, const SearchRequest& request,
                                           const Runtime& runtime, std::vector<Status>* missing) {
  return store.local ? SearchFolder(clip, *store.local, request, runtime)
                     : SearchServers(clip, *store.remote, request, runtime, missing);
}

Status WriteHits(const std::string& path, const SearchOptions& options, const std::vector<SearchHit>& hits,
                 const DecodeOptions& decode) {
  std::string title;
  for (const std::string& text : options.texts) title += (title.empty() ? "" : " + ") + text;
  for (const std::string& image : options.images) title += (title.empty() ? "" : " + ") + image;
  if (!options.query.empty()) title += (title.empty() ? "" : " + ") + options.query;
  std::string summary = fmt::format("{} of {}", hits.size(), options.store);
  if (!options.where.empty()) summary += ", where " + options.where;
  if (options.fdr) summary += fmt::format(", at most {:g} % wrong ones expected", 100 * *options.fdr);
  CardGroup group;
  for (const SearchHit& hit : hits) {
    Card card{.path = hit.path, .title = std::filesystem::path(hit.path).filename().string()};
    card.notes.push_back(fmt::format("{:.3f}, {} x {}", hit.score, hit.width, hit.height));
    if (!hit.caption.empty()) card.notes.push_back(hit.caption);
    group.cards.push_back(std::move(card));
  }
  return WriteContactSheet(path, title, summary, {group}, decode);
}

}  // namespace diptych
