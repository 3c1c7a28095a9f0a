#include "text/selected_rows.h"

#include <algorithm>

namespace diptych {
namespace {

// A beginning becomes a sequence of its own if that saves at least so many rows: a sequence costs time, too.
constexpr int64_t kFewestSaved = 3;

template <class T>
std::span<T> Allocate(Arena& arena, size_t n) {
  return {arena.Allocate<T>(static_cast<int64_t>(n)), n};
}

SelectedRows Whole(Arena& arena, const TextRows& texts, bool to_pooled) {
  const size_t b = texts.lengths.size();
  const std::span<int32_t> ids = Allocate<int32_t>(arena, texts.ids.size());
  const std::span<int32_t> lengths = Allocate<int32_t>(arena, b), firsts = Allocate<int32_t>(arena, b);
  const std::span<int64_t> pooled = Allocate<int64_t>(arena, b);
  size_t m = 0, begin = 0;
  for (size_t i = 0; i < b; ++i) {
    lengths[i] = to_pooled ? texts.pooled[i] + 1 : texts.lengths[i];
    firsts[i] = 0;
    pooled[i] = static_cast<int64_t>(m) + texts.pooled[i];
    std::copy_n(texts.ids.data() + begin, lengths[i], ids.data() + m);
    m += static_cast<size_t>(lengths[i]);
    begin += static_cast<size_t>(texts.lengths[i]);
  }
  return {.ids = ids.first(m), .lengths = lengths, .firsts = firsts, .pooled = pooled};
}

class Tree {
 public:
  Tree(Arena& arena, const TextRows& texts)
      : pooled_(texts.pooled),
        texts_(Allocate<const int32_t*>(arena, texts.lengths.size())),
        common_(Allocate<int32_t>(arena, texts.lengths.size())),
        ids_(Allocate<int32_t>(arena, texts.ids.size())),
        rows_(Allocate<int64_t>(arena, texts.lengths.size())) {
    const size_t b = texts.lengths.size();
    for (std::span<int32_t>* each : {&lengths_, &firsts_, &parents_, &queries_}) {
      *each = Allocate<int32_t>(arena, 2 * b);  // a tree with b leaves and no node with one child
    }
    const int32_t* text = texts.ids.data();
    for (size_t i = 0; i < b; ++i) {
      texts_[i] = text;
      text += texts.lengths[i];
      common_[i] = i == 0 ? 0 : Common(i - 1, i);
    }
    if (b > 0) Add(0, b, 0, -1);
  }

  SelectedRows Rows() const {
    return {.ids = ids_.first(m_),
            .lengths = lengths_.first(count_),
            .firsts = firsts_.first(count_),
            .parents = parents_.first(count_),
            .queries = queries_.first(count_),
            .pooled = rows_};
  }

 private:
  // How many ids both begin with; each keeps a row of its own.
  int32_t Common(size_t i, size_t j) const {
    const int32_t most = std::min(pooled_[i], pooled_[j]);
    return static_cast<int32_t>(std::mismatch(texts_[i], texts_[i] + most, texts_[j]).first - texts_[i]);
  }

  // Texts [begin, end), of which the sequences up to `parent` hold the first `depth` ids.
  void Add(size_t begin, size_t end, int32_t depth, int32_t parent) {
    if (end - begin == 1) {
      AddSequence(begin, depth, pooled_[begin] + 1, parent);
      queries_[count_ - 1] = 1;
      rows_[begin] = static_cast<int64_t>(m_) - 1;
      return;
    }
    const int32_t shared = *std::min_element(common_.begin() + begin + 1, common_.begin() + end);
    if (int64_t{shared - depth} * static_cast<int64_t>(end - begin - 1) >= kFewestSaved) {
      AddSequence(begin, depth, shared, parent);
      parent = static_cast<int32_t>(count_) - 1;
      depth = shared;
    }
    for (size_t first = begin; first < end;) {
      size_t last = first + 1;
      while (last < end && common_[last] > shared) ++last;
      Add(first, last, depth, parent);
      first = last;
    }
  }

  // Ids [first, last) of a text.
  void AddSequence(size_t text, int32_t first, int32_t last, int32_t parent) {
    std::copy(texts_[text] + first, texts_[text] + last, ids_.data() + m_);
    lengths_[count_] = last - first;
    firsts_[count_] = first;
    parents_[count_] = parent;
    queries_[count_] = 0;
    m_ += static_cast<size_t>(last - first);
    ++count_;
  }

  std::span<const int32_t> pooled_;
  std::span<const int32_t*> texts_;  // (B)
  std::span<int32_t> common_;        // (B), of each text with the one before
  std::span<int32_t> ids_, lengths_, firsts_, parents_, queries_;
  std::span<int64_t> rows_;        // (B)
  size_t m_ = 0, count_ = 0;       // rows and sequences so far
};

}  // namespace

SelectedRows AllRows(Arena& arena, const TextRows& texts) {
  return Whole(arena, texts, /*to_pooled=*/false);
}

SelectedRows RowsToPooled(Arena& arena, const TextRows& texts) {
  return Whole(arena, texts, /*to_pooled=*/true);
}

SelectedRows SharedRowsToPooled(Arena& arena, const TextRows& texts) {
  return Tree(arena, texts).Rows();
}

}  // namespace diptych
