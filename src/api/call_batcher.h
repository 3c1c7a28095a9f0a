// Pictures of calls that come at the same time, from many threads, go through the image tower together.
#ifndef DIPTYCH_API_CALL_BATCHER_H_
#define DIPTYCH_API_CALL_BATCHER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "clip/clip.h"

namespace diptych {

/// Has no threads of its own: up to `threads` of the callers run the tower for all that wait, the others sleep. A
/// caller that is alone gets a team of all threads. Thread safe.
class CallBatcher {
 public:
  CallBatcher(std::shared_ptr<const Clip> clip, int threads, int batch)
      : clip_(std::move(clip)), threads_(threads), batch_(batch) {}

  /// pixels (count, 3, S, S) -> embeddings (count, E), count at most `batch`. Returns when they are there.
  void Encode(const float* pixels, int64_t count, float* embeddings, bool normalize);

  /// What work of this model runs with. All of it has been used before, mostly, so that its pages are there.
  struct Scratch {
    explicit Scratch(int team) : context(team) {}
    Context context;
    std::vector<float> pixels, embeddings;  // of several calls' pictures, side by side
  };
  std::unique_ptr<Scratch> TakeScratch(int team);
  void GiveBack(std::unique_ptr<Scratch> scratch);

 private:
  struct Call {
    const float* pixels;
    int64_t count;
    float* embeddings;
    bool normalize, done = false;
    std::condition_variable changed = {};  // it is done, or its thread may run what waits
  };

  void Run(const std::vector<Call*>& calls, int team);

  const std::shared_ptr<const Clip> clip_;
  const int threads_, batch_;
  std::mutex mutex_;
  std::deque<Call*> waiting_;
  int running_ = 0;
  std::vector<std::unique_ptr<Scratch>> unused_;
};

}  // namespace diptych

#endif  // DIPTYCH_API_CALL_BATCHER_H_
