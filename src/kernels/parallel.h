// Loops over a team of threads. OpenMP, so that our loops and oneDNN's share one team.
#ifndef DIPTYCH_KERNELS_PARALLEL_H_
#define DIPTYCH_KERNELS_PARALLEL_H_

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "core/context.h"

namespace diptych::kernels {

/// f(begin, end, rank) over [0, n) in pieces of at most `grain`, any order, on context.threads() threads; rank, below
/// that number, says which of them runs. One thread or one piece: a plain call, OpenMP is not entered. f allocates
/// nothing from the arena and does not throw.
template <class F>
void ParallelForRanked(const Context& context, int64_t n, int64_t grain, const F& f) {
  if (n <= 0) return;
  if (context.threads() == 1 || n <= grain) {
    f(int64_t{0}, n, 0);
    return;
  }
  const int64_t pieces = (n + grain - 1) / grain;
#pragma omp parallel for num_threads(context.threads()) schedule(dynamic)
  for (int64_t i = 0; i < pieces; ++i) f(i * grain, std::min(n, (i + 1) * grain), omp_get_thread_num());
}

/// The same where no piece needs to know its thread.
template <class F>
void ParallelFor(const Context& context, int64_t n, int64_t grain, const F& f) {
  ParallelForRanked(context, n, grain, [&f](int64_t begin, int64_t end, int) { f(begin, end); });
}

}  // namespace diptych::kernels

#endif  // DIPTYCH_KERNELS_PARALLEL_H_
