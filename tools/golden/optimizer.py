"""Golden values of AdamW, the schedules and the moving average: torch's and open_clip's.

Run in an environment with torch 2.15, open_clip_torch 3.3 (with open_clip_train), safetensors:
    python tools/golden/optimizer.py
Writes tests/golden/optimizer/optimizer.safetensors: "start/<parameter>", "gradient/<step>/<parameter>",
"weight/<step>/<parameter>" and "ema/<step>/<parameter>" after that step, "norm" of the gradients of every step, and
"schedule/<name>", the learning rates of every step in double precision.
"""
import math
import pathlib

import torch
from open_clip_train.scheduler import const_lr, const_lr_cooldown, cosine_lr
from safetensors.torch import save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "optimizer"
SHAPES = {
    "visual.conv1.weight": (6, 3, 2, 2),
    "visual.ln_pre.weight": (19,),
    "visual.proj": (19, 7),
    "positional_embedding": (5, 8),
    "transformer.resblocks.0.attn.in_proj_bias": (24,),
    "text_projection": (8, 7),
    "logit_scale": (),
}
STEPS, WARMUP, RATE, CLIP = 10, 3, 0.02, 4.0


def excluded(name, p):  # open_clip_train/main.py
    return p.ndim < 2 or "bn" in name or "ln" in name or "bias" in name or "logit_scale" in name


def updates(tensors):
    g = torch.Generator().manual_seed(1)
    params = {name: torch.nn.Parameter(torch.randn(shape, generator=g)) for name, shape in SHAPES.items()}
    params["logit_scale"].data.fill_(4.59)
    optimizer = torch.optim.AdamW([
        {"params": [p for n, p in params.items() if excluded(n, p)], "weight_decay": 0.0},
        {"params": [p for n, p in params.items() if not excluded(n, p)], "weight_decay": 0.2},
    ], lr=RATE, betas=(0.9, 0.98), eps=1e-6)
    scheduler = cosine_lr(optimizer, RATE, WARMUP, STEPS)
    average = {name: p.detach().clone() for name, p in params.items()}
    ema = get_ema_multi_avg_fn(0.9)
    norms = []
    for name, p in params.items():
        tensors[f"start/{name}"] = p.detach().clone()
    for step in range(STEPS):
        scheduler(step)
        for name, p in params.items():
            p.grad = torch.randn(p.shape, generator=g) * (0.1 if step % 2 else 1.0)
            if name == "logit_scale":
                p.grad = -p.grad.abs()  # grows until it is clamped
            tensors[f"gradient/{step}/{name}"] = p.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), CLIP))
        optimizer.step()
        with torch.no_grad():
            params["logit_scale"].clamp_(0, math.log(100))
            ema(list(average.values()), [p.detach() for p in params.values()], step)
        for name, p in params.items():
            tensors[f"weight/{step}/{name}"] = p.detach().clone()
            tensors[f"ema/{step}/{name}"] = average[name].clone()
    tensors["norm"] = torch.stack(norms).detach()


def schedules(tensors):
    class Sink:
        param_groups = []

    steps = 50
    made = {
        "cosine": cosine_lr(Sink, 5e-4, 7, steps),
        "constant": const_lr(Sink, 5e-4, 7, steps),
        "cooldown": const_lr_cooldown(Sink, 5e-4, 7, steps, 12),
        "cooldown_squared": const_lr_cooldown(Sink, 5e-4, 7, steps, 12, 2.0, 1e-5),
        "no_warmup": cosine_lr(Sink, 5e-4, 0, steps),
    }
    for name, rate in made.items():
        tensors[f"schedule/{name}"] = torch.tensor([rate(step) for step in range(steps)], dtype=torch.float64)


def main():
    tensors = {}
    updates(tensors)
    schedules(tensors)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "optimizer.safetensors"
    save_file({name: t.contiguous() for name, t in tensors.items()}, path)
    path.chmod(0o644)


if __name__ == "__main__":
    main()
