// Which parameters of a tower train.
#ifndef DIPTYCH_TRAIN_FREEZE_H_
#define DIPTYCH_TRAIN_FREEZE_H_

#include <cstdint>
#include <string>

#include "core/status.h"
#include "image/tower.h"
#include "text/tower.h"

namespace diptych::train {

struct TowerTraining {
  /// Nothing trains, and the tower runs as it does in inference (LiT, Zhai et al. 2022).
  bool locked = false;
  /// Only the last so many blocks and what comes after them train; -1: everything does.
  int last_blocks = -1;
  /// Adapters of this rank on the blocks' linear layers train, and what comes after the blocks; 0: no adapters
  /// (LoRA, Hu et al. 2021).
  int lora_rank = 0;
  double lora_alpha = 16;
};

/// Prepares the tower's parameters. `side` is "image" or "text", for messages. Errors: options that exclude each other,
/// more blocks than there are, adapters on a tower that has no linear layers in its blocks.
Status ApplyTraining(const TowerTraining& training, uint64_t seed, ImageTower& tower);
Status ApplyTraining(const TowerTraining& training, uint64_t seed, TextTower& tower);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_FREEZE_H_
