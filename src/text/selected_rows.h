// Which rows of a batch of texts a causal transformer computes.
#ifndef DIPTYCH_TEXT_SELECTED_ROWS_H_
#define DIPTYCH_TEXT_SELECTED_ROWS_H_

#include <cstdint>
#include <span>

#include "core/arena.h"

namespace diptych {

/// Sequences of rows packed one after the other. Spans lie in the arena that they were made in.
struct SelectedRows {
  std::span<const int32_t> ids;      // (M)
  std::span<const int32_t> lengths;  // (S), of each sequence
  std::span<const int32_t> firsts;   // (S), the position in its text of a sequence's first row
  std::span<const int32_t> parents;  // (S), as kernels::AttentionInput's; empty: every sequence is a whole text
  std::span<const int32_t> queries;  // (S), 1 for a sequence that ends a text, 0 for a beginning; empty: as parents
  std::span<const int64_t> pooled;   // (B), the pooled row of each text
};

/// A batch of texts and what is wanted of it.
struct TextRows {
  std::span<const int32_t> ids;      // of all texts, one after the other
  std::span<const int32_t> lengths;  // (B)
  std::span<const int32_t> pooled;   // (B), the position of each text's pooled row
};

/// Every row of every text.
SelectedRows AllRows(Arena& arena, const TextRows& texts);

/// Rows up to the pooled one: under a causal mask nothing after it reaches it.
SelectedRows RowsToPooled(Arena& arena, const TextRows& texts);

/// The same with each beginning that texts next to each other share computed once: a tree whose nodes are sequences.
/// The pooled row is always a text's own. Texts in the order of their ids share the most.
SelectedRows SharedRowsToPooled(Arena& arena, const TextRows& texts);

}  // namespace diptych

#endif  // DIPTYCH_TEXT_SELECTED_ROWS_H_
