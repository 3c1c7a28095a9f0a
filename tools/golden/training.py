"""Golden training run: ten AdamW steps of a tiny open_clip model, loss by loss.

Model, loss, groups of weight decay, schedule and clamp are open_clip 3.3's (open_clip_train), in double precision.
Weights are made as in gradients.py, so none is stored; pictures and texts differ from step to step. Run in an
environment with torch 2.15, open_clip_torch 3.3, safetensors:
    python tools/golden/training.py
Writes tests/golden/training/steps.json: the losses and scales before each step, and sums over each parameter after all.
"""
import json
import math
import pathlib

import numpy
import open_clip
import torch
from open_clip_train.scheduler import cosine_lr

from clip import uniform
from gradients import made

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "training"
STEPS, BATCH, WARMUP, RATE = 10, 6, 3, 2e-3
VISION = {"image_size": 16, "patch_size": 4, "width": 18, "layers": 2, "head_width": 9, "mlp_ratio": 30 / 18 + 1e-9}
TEXT = {"context_length": 9, "vocab_size": 40, "width": 18, "layers": 2, "heads": 2, "mlp_ratio": 30 / 18 + 1e-9}


def texts_of(step):
    """Ids in [1, 30), a start, an end, lengths 3 to 9; padded with 0."""
    rows = []
    for i in range(BATCH):
        u = (uniform(f"text {step} {i}", 8).astype(numpy.float64) + 1) / 2
        length = 1 + int(u[0] * 7)
        row = [38] + [1 + int(x * 29) for x in u[1:1 + length]] + [39]
        rows.append(row + [0] * (9 - len(row)))
    return torch.tensor(rows)


def main():
    torch.set_default_dtype(torch.float64)
    model = open_clip.model.CLIP(12, VISION, TEXT).double()
    for name, param in model.named_parameters():
        value = made(name, list(param.shape)) if name != "logit_scale" else torch.tensor(math.log(1 / 0.07))
        param.data.copy_(value)
    exempt = lambda n, p: p.ndim < 2 or any(part in n for part in ("bn", "ln", "bias", "logit_scale"))
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in named if exempt(n, p)], "weight_decay": 0.0},
         {"params": [p for n, p in named if not exempt(n, p)], "weight_decay": 0.2}],
        lr=RATE, betas=(0.9, 0.98), eps=1e-6)
    schedule = cosine_lr(optimizer, RATE, WARMUP, STEPS)
    loss_of = open_clip.loss.ClipLoss()
    losses, scales = [], []
    for step in range(STEPS):
        schedule(step)
        pixels = torch.from_numpy(uniform(f"pixels {step}", BATCH * 3 * 16 * 16).astype(numpy.float64))
        out = model(pixels.reshape(BATCH, 3, 16, 16), texts_of(step))
        image, text, scale = out if isinstance(out, tuple) else (out["image_features"], out["text_features"],
                                                                 out["logit_scale"])
        loss = loss_of(image, text, scale)
        losses.append(loss.item())
        scales.append(scale.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    sums = {n: {"sum": p.sum().item(), "norm": p.norm().item()} for n, p in named}
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "steps.json", "w", encoding="utf-8") as file:
        json.dump({"losses": losses, "scales": scales, "parameters": sums}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
