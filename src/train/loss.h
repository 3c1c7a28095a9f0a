// Losses over the similarity matrix of a batch, with their gradients.
#ifndef DIPTYCH_TRAIN_LOSS_H_
#define DIPTYCH_TRAIN_LOSS_H_

#include <cstdint>

#include "core/context.h"
#include "train/communicator.h"

namespace diptych::train {

/// With z_ij = exp(logit_scale_log) * image_i . text_j + logit_bias over the N pairs of all processes:
///
///   kSoftmax  (CLIP; open_clip's ClipLoss): the mean over i of the cross-entropies of row i and of column i against i,
///             halved. The bias plays no part.
///   kSigmoid  (SigLIP, Zhai et al. 2023; open_clip's SigLipLoss): the sum over all i, j of -log sigmoid(+-z_ij), +
///   where
///             i = j, divided by N.
///
/// Hard negatives, for kSoftmax: HN-NCE of Radenovic et al. 2023 (DiHT) with alpha = 1. The denominator of row i is
///   exp(z_ii) + sum over j != i of w_ij exp(z_ij),   w_ij = (N - 1) exp(beta z_ij) / sum over k != i of exp(beta z_ik)
/// and so for columns; beta = 0 is the plain loss. The gradient passes through the weights.
///
/// Distillation (Sun et al. 2023; open_clip's DistillClipLoss), where the input has a teacher: the cross-entropy of
/// each row's and each column's softmax against the teacher's, mean over the batch, halved.
///
/// The loss is contrastive_weight * the first + distillation_weight * the second.
struct LossOptions {
  enum class Kind : uint8_t { kSoftmax, kSigmoid };
  Kind kind = Kind::kSoftmax;
  double hard_negatives = 0;  // beta, at least 0
  double contrastive_weight = 1;
  double distillation_weight = 1;
};

/// This process's rows; every process has as many. Row i of the images belongs to row i of the texts.
struct LossInput {
  const float* images = nullptr;  // (M, E), L2-normalised
  const float* texts = nullptr;   // (M, E), L2-normalised
  int64_t m = 0, e = 0;
  float logit_scale_log = 0;
  float logit_bias = 0;

  const float* teacher_images = nullptr;  // (M, K), L2-normalised; null: no teacher
  const float* teacher_texts = nullptr;   // (M, K)
  int64_t teacher_k = 0;
  float teacher_scale = 1;  // exp() already taken
};

/// Written, not added to. Rows are with respect to the normalised embeddings: kernels::L2NormalizeBackward follows.
/// They are gradients of the mean over the whole batch of all processes, so that the gradients of parameters that come
/// of them are summed over processes, never averaged.
struct LossGradients {
  float* dimages = nullptr;  // (M, E); null: not wanted (a locked tower)
  float* dtexts = nullptr;   // (M, E); null: not wanted. Both null: no gradient at all is computed
  /// Sums over all processes already: every process has the same value, which must not be reduced again.
  double dlogit_scale_log = 0;
  double dlogit_bias = 0;
};

/// Of all processes' rows together; every process gets the same bits.
struct LossResult {
  double loss = 0;          // what the gradients are of
  double contrastive = 0;   // its parts, before their weights
  double distillation = 0;  // 0 without a teacher
  double image_top1 = 0;    // share of the images that are closest to their own text (of equal ones the first counts)
  double text_top1 = 0;     // share of the texts that are closest to their own image
};

/// Products are fp32 whatever the context's precision: bf16 would err by 0.2 in a logit of 100. Logits exist in pieces
/// of at most 16 MB (or one row); they are computed once for the loss and again for the gradients. Scratch, with the
/// gathered rows (N, E) where there are several processes, comes from the arena.
LossResult ContrastiveLoss(Context& context, Communicator& communicator, const LossOptions& options,
                           const LossInput& input, LossGradients& gradients);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_LOSS_H_
