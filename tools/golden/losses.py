"""Golden values of the losses: open_clip's, with their gradients, in double precision.

Run in an environment with torch 2.15, open_clip_torch 3.3, safetensors:
    python tools/golden/losses.py
Writes tests/golden/losses/losses.safetensors: tensors "<batch>/in/<name>" and "<batch>/<loss>/<name>"; values and
gradients rounded to fp32 at the end.
"""
import pathlib

import torch
from open_clip.loss import ClipLoss, DistillClipLoss, SigLipLoss
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "losses"


def hard_negative_loss(images, texts, scale, beta):
    """HN-NCE of Radenovic et al. 2023 (DiHT) with alpha = 1: open_clip has none."""
    z = scale * images @ texts.T
    n = z.shape[0]
    negatives = ~torch.eye(n, dtype=torch.bool)

    def one_side(z):
        total = 0
        for i in range(n):
            others = z[i][negatives[i]]
            weights = (n - 1) * torch.exp(beta * others) / torch.exp(beta * others).sum()
            total = total - torch.log(z[i, i].exp() / (z[i, i].exp() + (weights * others.exp()).sum()))
        return total / n

    return (one_side(z) + one_side(z.T)) / 2


def rows(n, width, seed, like=None):
    x = torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if like is not None:
        x = 0.5 * x + like
    return torch.nn.functional.normalize(x, dim=1).float().double()


def main():
    tensors = {}
    for batch, n, e, k, scale_log, bias in (("small", 8, 16, 12, 2.6592, -10.0), ("sharp", 12, 24, 20, 4.3, -3.0)):
        images = rows(n, e, 1)
        texts = rows(n, e, 2, like=images)
        teacher_images = rows(n, k, 3)
        teacher_texts = rows(n, k, 4, like=teacher_images)
        teacher_scale = torch.tensor(20.0, dtype=torch.float64)
        scale_log = torch.tensor(scale_log).float().double()
        bias = torch.tensor(bias).float().double()
        tensors |= {f"{batch}/in/{name}": t for name, t in
                    dict(images=images, texts=texts, teacher_images=teacher_images, teacher_texts=teacher_texts,
                         logit_scale=scale_log, logit_bias=bias, teacher_scale=teacher_scale).items()}
        losses = {
            "softmax": lambda f, g, s, b: ClipLoss()(f, g, s.exp()),
            "sigmoid": lambda f, g, s, b: SigLipLoss()(f, g, s.exp(), b),
            "distill": lambda f, g, s, b: sum(DistillClipLoss()(f, g, s.exp(), teacher_images, teacher_texts,
                                                                teacher_scale)),
            "hard": lambda f, g, s, b: hard_negative_loss(f, g, s.exp(), 0.5),
        }
        for name, loss in losses.items():
            leaves = [t.clone().requires_grad_() for t in (images, texts, scale_log, bias)]
            value = loss(*leaves)
            value.backward()
            tensors[f"{batch}/{name}/loss"] = value.detach()
            for leaf, what in zip(leaves, ("dimages", "dtexts", "dlogit_scale", "dlogit_bias")):
                tensors[f"{batch}/{name}/{what}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "losses.safetensors"
    save_file({name: t.float().contiguous() for name, t in tensors.items()}, path)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
