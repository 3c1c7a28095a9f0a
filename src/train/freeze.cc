#include "train/freeze.h"

#include "core/rng.h"
#include "nn/linear.h"

namespace diptych::train {
namespace {

// Groups from here up train: the last blocks, and what comes after the blocks.
Result<int> LowestGroup(const TowerTraining& training, int group_count, const std::string& flag) {
  const int blocks = group_count - 2;
  if (training.last_blocks < 0) return 0;
  if (training.last_blocks <= blocks) return group_count - 1 - training.last_blocks;
  return InvalidArgument(
      flag, std::to_string(training.last_blocks) + " is more than the tower's " + std::to_string(blocks) + " blocks");
}

template <class Tower>
Status Apply(const TowerTraining& training, uint64_t seed, const std::string& side, Tower& tower) {
  if (training.locked) {
    if (training.last_blocks >= 0 || training.lora_rank > 0) {
      return InvalidArgument("--lock-" + side, "leaves nothing for --" + side + "-blocks or --lora-" + side);
    }
    return Status::Ok();
  }
  if (training.lora_rank > 0 && training.last_blocks >= 0) {
    return InvalidArgument("--lora-" + side, "and --" + side + "-blocks exclude each other");
  }
  const int groups = tower.group_count();
  ASSIGN_OR_RETURN(const int lowest, LowestGroup(training, groups, "--" + side + "-blocks"));
  for (int group = 0; group < groups; ++group) {
    const bool trains = training.lora_rank > 0 ? group == groups - 1 : group >= lowest;
    tower.VisitGroup(group, [&](const std::string&, nn::Param& param) {
      param.MutableValue();
      if (trains && param.role() == nn::Param::Role::kWeight) param.Train();
    });
  }
  if (training.lora_rank == 0) return Status::Ok();
  bool found = false;
  for (int group = 0; group < groups; ++group) {
    tower.VisitLinears(group, [&](const std::string& name, nn::Linear& linear) {
      linear.AddLora({.rank = training.lora_rank,
                      .alpha = static_cast<float>(training.lora_alpha),
                      .seed = seed,
                      .stream = StreamOf(name + "lora")});
      linear.lora->a.Train();
      linear.lora->b.Train();
      found = true;
    });
  }
  if (found) return Status::Ok();
  return Unsupported("--lora-" + side, "this tower has no linear layers in its blocks",
                     "adapters fit transformers; use --" + side + "-blocks");
}

}  // namespace

Status ApplyTraining(const TowerTraining& training, uint64_t seed, ImageTower& tower) {
  return Apply(training, seed, "image", tower);
}

Status ApplyTraining(const TowerTraining& training, uint64_t seed, TextTower& tower) {
  return Apply(training, seed, "text", tower);
}

}  // namespace diptych::train
