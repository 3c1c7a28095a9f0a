// One process of a job under mpirun, for tests/e2e/mpi_test.py. Usage: mpi_ranks collectives | loss | fail | die
#include <csignal>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/norms/norm.h"
#include "train/loss.h"

namespace diptych::train {
namespace {

// What rank `rank` brings to a sum: sums of these depend on the order in the last bits.
std::vector<float> Values(int rank, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    values[static_cast<size_t>(i)] = std::sin(static_cast<float>(i % 1009)) / static_cast<float>(3 * rank + 1);
  }
  return values;
}

std::vector<float> SumInOrder(int size, int64_t n) {
  std::vector<float> sum(static_cast<size_t>(n));
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<float> values = Values(rank, n);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  return sum;
}

void CheckCollectives(Communicator& job) {
  const int rank = job.rank(), size = job.size();
  for (const int64_t n : {0, 1, 3, 1000, 5'000'000}) {  // fewer than processes; more than a piece
    std::vector<float> x = Values(rank, n);
    job.AllReduceSum(x.data(), n);
    CHECK(x == SumInOrder(size, n)) << " sum of " << n;
  }

  // Many at once, with other calls while they are under way.
  std::vector<std::vector<float>> sums;
  for (int64_t n = 1; n < 3'000'000; n = 2 * n + 1) sums.push_back(Values(rank, n));
  for (std::vector<float>& x : sums) job.StartAllReduceSum(x.data(), static_cast<int64_t>(x.size()));
  std::vector<int32_t> ranks(static_cast<size_t>(size));
  job.AllGather(&rank, sizeof rank, ranks.data());
  job.WaitAll();
  job.WaitAll();  // of nothing
  for (const std::vector<float>& x : sums) CHECK(x == SumInOrder(size, static_cast<int64_t>(x.size())));

  std::vector<int32_t> expected(static_cast<size_t>(size));
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(ranks == expected);
  std::fill(ranks.begin(), ranks.end(), -1);
  int32_t* own = &ranks[static_cast<size_t>(rank)];
  *own = rank;
  job.AllGather(own, sizeof *own, ranks.data());
  CHECK(ranks == expected) << " in place";

  for (int root = 0; root < size; ++root) {
    std::string text = rank == root ? "from " + std::to_string(root) : "nothing";
    text.resize(100'000);
    job.Broadcast(text.data(), text.size(), root);
    CHECK_EQ(std::string(text.c_str()), "from " + std::to_string(root));
  }
  job.Barrier();
  if (rank == 0) std::printf("%d processes\n", size);
}

// The loss of 24 pairs, which are the same ones however many processes share them.
void PrintLoss(Communicator& job) {
  constexpr int64_t kPairs = 24, kWidth = 16;
  std::mt19937 engine(1);
  std::vector<float> images(kPairs * kWidth), texts(images.size()), gradient(2 * images.size());
  for (float& x : images) x = static_cast<float>(engine() % 1000) - 500.0f;
  for (float& x : texts) x = static_cast<float>(engine() % 1000) - 500.0f;
  kernels::L2Normalize(images.data(), kPairs, kWidth);
  kernels::L2Normalize(texts.data(), kPairs, kWidth);

  const int64_t m = kPairs / job.size(), begin = job.rank() * m * kWidth;
  LossInput input{.images = images.data() + begin, .texts = texts.data() + begin, .m = m, .e = kWidth};
  input.logit_scale_log = 2.5f;
  // Each process fills in its own rows of the gradients: their sum is everyone's.
  LossGradients gradients{.dimages = gradient.data() + begin, .dtexts = gradient.data() + images.size() + begin};
  Context context;
  const LossResult result = ContrastiveLoss(context, job, {}, input, gradients);
  job.AllReduceSum(gradient.data(), static_cast<int64_t>(gradient.size()));
  if (job.rank() != 0) return;
  std::printf("%.9g %.9g %.9g %.9g\n", result.loss, result.image_top1, result.text_top1, gradients.dlogit_scale_log);
  for (const float g : gradient) std::printf("%.9g\n", static_cast<double>(g));
}

// The last rank goes in some way while the others wait for it.
void Leave(Communicator& job, const std::string& how) {
  std::printf("rank %d starts\n", job.rank());
  std::fflush(stdout);
  job.Barrier();
  if (job.rank() == job.size() - 1) {
    if (how == "die") std::raise(SIGKILL);
    std::fprintf(stderr, "error: shard-000001.tar: it is broken\n");
    job.EndJob(3);
  }
  std::vector<float> x(5'000'000);
  job.AllReduceSum(x.data(), static_cast<int64_t>(x.size()));
  std::printf("rank %d goes on\n", job.rank());
}

int Run(const std::string& what) {
  Result<std::unique_ptr<Communicator>> job = MakeCommunicator();
  if (!job.ok()) {
    std::fprintf(stderr, "error: %s\n", job.status().ToString().c_str());
    return 1;
  }
  if (what == "collectives") {
    CheckCollectives(**job);
  } else if (what == "loss") {
    PrintLoss(**job);
  } else {
    Leave(**job, what);
  }
  return 0;
}

}  // namespace
}  // namespace diptych::train

int main(int argc, char** argv) {
  return argc == 2 ? diptych::train::Run(argv[1]) : 2;
}
