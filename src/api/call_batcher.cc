#include "api/call_batcher.h"

#include <algorithm>
#include <utility>

namespace diptych {

void CallBatcher::Encode(const float* pixels, int64_t count, float* embeddings, bool normalize) {
  Call mine{.pixels = pixels, .count = count, .embeddings = embeddings, .normalize = normalize};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  while (!mine.done) {
    if (running_ == threads_ || waiting_.empty()) {
      mine.changed.wait(lock);
      continue;
    }
    // The queue is shared out among all threads, so that they end together: those that are busy are so for as long as
    // this one is about to be.
    const auto threads = static_cast<size_t>(threads_);
    const size_t share = (waiting_.size() + threads - 1) / threads;
    std::vector<Call*> calls;
    int64_t pictures = 0;
    while (!waiting_.empty() && calls.size() < share &&
           (calls.empty() || pictures + waiting_.front()->count <= batch_)) {
      pictures += waiting_.front()->count;
      calls.push_back(waiting_.front());
      waiting_.pop_front();
    }
    const int team = running_ == 0 && waiting_.empty() ? threads_ : 1;
    running_ += team;
    lock.unlock();
    Run(calls, team);
    lock.lock();
    running_ -= team;
    for (Call* call : calls) {
      call->done = true;
      call->changed.notify_one();
    }
    // No more are woken than can run: of many callers most would go to sleep again.
    const auto room = std::min(waiting_.size(), static_cast<size_t>(threads_ - running_));
    for (size_t i = 0; i < room; ++i) waiting_[i]->changed.notify_one();
  }
}

void CallBatcher::Run(const std::vector<Call*>& calls, int team) {
  const int64_t side = clip_->config().preprocess.crop, picture = 3 * side * side, e = clip_->embed_dim();
  std::unique_ptr<Scratch> scratch = TakeScratch(team);
  Context& context = scratch->context;
  if (calls.size() == 1) {
    clip_->EncodeImages(context, calls[0]->pixels, calls[0]->count, calls[0]->embeddings, calls[0]->normalize);
  } else {
    std::vector<float>& pixels = scratch->pixels;
    pixels.clear();
    for (const Call* call : calls) pixels.insert(pixels.end(), call->pixels, call->pixels + call->count * picture);
    const int64_t count = static_cast<int64_t>(pixels.size()) / picture;
    scratch->embeddings.resize(static_cast<size_t>(count * e));
    clip_->EncodeImages(context, pixels.data(), count, scratch->embeddings.data(), /*normalize=*/false);
    const float* row = scratch->embeddings.data();
    for (const Call* call : calls) {
      std::copy_n(row, call->count * e, call->embeddings);
      if (call->normalize) clip_->Normalize(call->embeddings, call->count);
      row += call->count * e;
    }
  }
  GiveBack(std::move(scratch));
}

std::unique_ptr<CallBatcher::Scratch> CallBatcher::TakeScratch(int team) {
  {
    const std::lock_guard lock(mutex_);
    const auto fits = [team](const auto& scratch) { return scratch->context.threads() == team; };
    const auto it = std::find_if(unused_.begin(), unused_.end(), fits);
    if (it != unused_.end()) {
      std::unique_ptr<Scratch> scratch = std::move(*it);
      unused_.erase(it);
      return scratch;
    }
  }
  return std::make_unique<Scratch>(team);
}

void CallBatcher::GiveBack(std::unique_ptr<Scratch> scratch) {
  const std::lock_guard lock(mutex_);
  if (unused_.size() < 2 * static_cast<size_t>(threads_)) unused_.push_back(std::move(scratch));
}

}  // namespace diptych
