// One tower in a training step: rows of the batch through it, and gradients back.
#ifndef DIPTYCH_TRAIN_TOWER_PASS_H_
#define DIPTYCH_TRAIN_TOWER_PASS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "core/context.h"
#include "image/tower.h"
#include "nn/tower_cache.h"
#include "text/tower.h"
#include "train/loader.h"

namespace diptych::train {

/// Rows [begin, end) of this process's part of the batch.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// A locked tower runs through its inference plan, made once; nothing comes back through it.
class TowerPass {
 public:
  virtual ~TowerPass() = default;

  bool locked() const { return locked_; }
  /// -> pooled (rows, E), not normalised. `keep` for the backward pass: into this pass's cache and the context's arena.
  virtual void Forward(Context& context, const TrainBatch& batch, RowRange rows, bool keep, float* pooled) = 0;
  /// Of the rows of the last forward pass that was kept.
  virtual void Backward(Context& context, const float* dpooled, const nn::GroupDone& done) = 0;
  /// Calls f with each parameter of a group that trains.
  virtual void VisitTrained(int group, const std::function<void(nn::Param&)>& f) = 0;

 protected:
  TowerPass(bool locked, std::unique_ptr<nn::TowerCache> cache) : locked_(locked), cache_(std::move(cache)) {}

  bool locked_;
  std::unique_ptr<nn::TowerCache> cache_;
};

std::unique_ptr<TowerPass> MakeTowerPass(ImageTower& tower, bool locked, const nn::CacheOptions& options);
std::unique_ptr<TowerPass> MakeTowerPass(TextTower& tower, bool locked, const nn::CacheOptions& options);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_TOWER_PASS_H_
