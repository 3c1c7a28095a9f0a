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
      finished_.wait(lock);
      continue;
    }
    // With one thread free of several the rest of the queue is shared out, so that all end together.
    const auto room = static_cast<size_t>(threads_ - running_);
    const size_t share = std::max<size_t>(1, (waiting_.size() + room - 1) / room);
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
    for (Call* call : calls) call->done = true;
    finished_.notify_all();
  }
}

void CallBatcher::Run(const std::vector<Call*>& calls, int team) {
  const int64_t side = clip_->config().preprocess.crop, picture = 3 * side * side, e = clip_->embed_dim();
  std::unique_ptr<Context> context = TakeContext(team);
  if (calls.size() == 1) {
    clip_->EncodeImages(*context, calls[0]->pixels, calls[0]->count, calls[0]->embeddings, calls[0]->normalize);
  } else {
    int64_t count = 0;
    for (const Call* call : calls) count += call->count;
    std::vector<float> pixels, embeddings(static_cast<size_t>(count * e));
    pixels.reserve(static_cast<size_t>(count * picture));
    for (const Call* call : calls) pixels.insert(pixels.end(), call->pixels, call->pixels + call->count * picture);
    clip_->EncodeImages(*context, pixels.data(), count, embeddings.data(), /*normalize=*/false);
    const float* row = embeddings.data();
    for (const Call* call : calls) {
      std::copy_n(row, call->count * e, call->embeddings);
      if (call->normalize) clip_->Normalize(call->embeddings, call->count);
      row += call->count * e;
    }
  }
  GiveBack(std::move(context));
}

std::unique_ptr<Context> CallBatcher::TakeContext(int team) {
  const std::lock_guard lock(mutex_);
  const auto fits = [team](const auto& context) { return context->threads() == team; };
  const auto it = std::find_if(contexts_.begin(), contexts_.end(), fits);
  if (it == contexts_.end()) return std::make_unique<Context>(team);
  std::unique_ptr<Context> context = std::move(*it);
  contexts_.erase(it);
  return context;
}

void CallBatcher::GiveBack(std::unique_ptr<Context> context) {
  const std::lock_guard lock(mutex_);
  if (contexts_.size() < 2 * static_cast<size_t>(threads_)) contexts_.push_back(std::move(context));
}

}  // namespace diptych
