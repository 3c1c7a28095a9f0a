// Times the search of a store's index alone, for bench/search_peers.py.
//   scan_bench make VECTORS.npy STORE             a store of the rows, with its sketches
//   scan_bench search STORE QUERIES.npy OUT.npy [CANDIDATES]
//                 a line of JSON a mode; the 10 nearest slots of each query, as found
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/npy.h"
#include "core/threads.h"
#include "index/search.h"
#include "index/store.h"
#include "kernels/convert.h"

namespace diptych {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kNeighbors = 10;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

Status Make(const std::string& vectors, const std::string& folder) {
  ASSIGN_OR_RETURN(const Tensor array, ReadNpy(vectors));
  const int64_t n = array.shape()[0], e = array.shape()[1];
  ASSIGN_OR_RETURN(const auto store, Store::OpenForWriting(folder, {.model = "bench", .fingerprint = "0", .e = e}));
  std::vector<uint16_t> row(static_cast<size_t>(e));
  const auto start = Clock::now();
  for (int64_t i = 0; i < n; ++i) {
    const auto* bytes = static_cast<const uint8_t*>(array.view().raw()) + i * e * 2;
    std::copy_n(reinterpret_cast<const uint16_t*>(bytes), e, row.begin());
    store->AddHalves({.path = "/" + std::to_string(i)}, row);
    if (store->pending() == 50000) RETURN_IF_ERROR(store->Commit());
  }
  RETURN_IF_ERROR(store->Commit());
  const double written = Seconds(start);
  Context context(AvailableThreads());
  const auto sketch = Clock::now();
  RETURN_IF_ERROR(RefreshSketch(context, *store));
  std::printf("{\"rows\":%ld,\"write_s\":%.2f,\"sketch_s\":%.2f}\n", static_cast<long>(n), written, Seconds(sketch));
  return Status::Ok();
}

Status Search(const std::string& folder, const std::string& queries, const std::string& out, int64_t candidates) {
  ASSIGN_OR_RETURN(const auto store, Store::Open(folder));
  ASSIGN_OR_RETURN(const Tensor array, ReadNpy(queries));
  const int64_t q = array.shape()[0], e = array.shape()[1];
  const std::optional<Sketch> sketch = OpenSketch(*store);
  const SearchSpace space = {.vectors = &store->vectors(), .sketch = sketch ? &*sketch : nullptr};
  Context context(AvailableThreads());
  Tensor found(DType::kI32, Shape{q, kNeighbors});
  for (const bool exact : {true, false}) {
    std::vector<double> times;
    for (int round = 0; round < 2; ++round) {  // the first one warms
      times.clear();
      for (int64_t i = 0; i < (exact ? std::min<int64_t>(q, 20) : q); ++i) {
        const auto start = Clock::now();
        const std::vector<Neighbor> nearest =
            FindNearest(context, space, {array.data<float>() + i * e, static_cast<size_t>(e)},
                        {.k = kNeighbors, .exact = exact, .candidates = candidates});
        times.push_back(Seconds(start));
        for (size_t j = 0; j < nearest.size(); ++j) {
          found.mutable_data<int32_t>()[i * kNeighbors + static_cast<int64_t>(j)] =
              static_cast<int32_t>(nearest[j].slot);
        }
      }
    }
    std::sort(times.begin(), times.end());
    std::printf("{\"mode\":\"%s\",\"threads\":%d,\"median_ms\":%.3f,\"best_ms\":%.3f,\"p90_ms\":%.3f}\n",
                exact ? "exact" : "sketches", context.threads(), 1e3 * times[times.size() / 2], 1e3 * times.front(),
                1e3 * times[times.size() * 9 / 10]);
  }
  return WriteNpy(out, found);
}

}  // namespace
}  // namespace diptych

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  diptych::Status status =
      diptych::InvalidArgument("scan_bench", "make VECTORS.npy STORE | search STORE QUERIES.npy OUT.npy [CANDIDATES]");
  if (mode == "make" && argc == 4) status = diptych::Make(argv[2], argv[3]);
  if (mode == "search" && (argc == 5 || argc == 6)) {
    status = diptych::Search(argv[2], argv[3], argv[4], argc == 6 ? std::atoll(argv[5]) : 0);
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
