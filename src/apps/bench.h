// `diptych bench`: rates of a model on this machine, and the matrix-product peak in the same run.
#ifndef DIPTYCH_APPS_BENCH_H_
#define DIPTYCH_APPS_BENCH_H_

#include "apps/runtime.h"
#include "clip/clip.h"
#include "core/status.h"
#include "diptych/bench.h"

namespace diptych {

/// Rates are the best of the passes that fit into options.seconds: on a shared machine the median measures the others.
/// Errors: `images` holds no picture that can be read.
Result<BenchResult> Bench(const Clip& clip, const BenchOptions& options, const Runtime& runtime);

}  // namespace diptych

#endif  // DIPTYCH_APPS_BENCH_H_
