"""Golden gradients of the convolutional towers, in training mode: tiny models of open_clip and timm.

The loss is sum(pooled * dpooled) for a fixed dpooled, in double precision. No weight is stored: each is
offset + scale * u(name, i) as in clip.py, which the test computes again (src/clip/conv_gradients_test.cc). A gradient
of more than 1024 elements and 8 rows is stored as 8 mixtures of its rows, with coefficients made in the same way: they
keep the relative size of any error. Run in an environment with torch 2.15, open_clip_torch 3.3, timm 1.0.31,
safetensors:
    python tools/golden/conv_gradients.py
Writes tests/golden/conv_gradients/<case>.safetensors: "out/pooled", "grad/<parameter>" or "mixed/<parameter>",
"stat/<running statistic after the pass>".
"""
import functools
import pathlib

import torch
from safetensors.torch import save_file

from clip import uniform

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "conv_gradients"
MIXTURES = 8


def made(name, shape):
    """In double precision, rounded once to fp32."""
    count = torch.Size(shape).numel()
    u = torch.from_numpy(uniform(name, count)).reshape(shape).double()
    gamma = len(shape) == 1 and name.endswith("weight")
    if name.endswith("running_var"):
        value = 1 + 0.5 * u
    elif "embedding" in name:
        value = 0.5 * u
    elif len(shape) >= 2:
        value = 1.7 / (count / shape[0]) ** 0.5 * u
    else:
        value = 1 + 0.3 * u if gamma else 0.3 * u
    return value.float()


def kept(name, gradient):
    rows = gradient.reshape(gradient.shape[0], -1)
    if gradient.numel() <= 1024 or rows.shape[0] <= MIXTURES:
        return f"grad/{name}", gradient
    mix = torch.from_numpy(uniform("mix/" + name, MIXTURES * rows.shape[0])).reshape(MIXTURES, -1).double()
    return f"mixed/{name}", mix @ rows


def run(case, model, size, batch):
    model = model.double().train()
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    model.load_state_dict({k: made(k, list(v.shape)) for k, v in state.items()}, strict=False)
    pixels = torch.from_numpy(uniform("pixels", batch * 3 * size * size)).reshape(batch, 3, size, size)
    pooled = model(pixels.double())
    dpooled = torch.from_numpy(uniform("dpooled", pooled.numel())).reshape(pooled.shape)
    (pooled * dpooled.double()).sum().backward()
    tensors = {"out/pooled": pooled.detach()} | dict(kept(k, p.grad) for k, p in model.named_parameters())
    tensors |= {f"stat/{k}": v for k, v in model.state_dict().items() if "running_" in k}
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, OUT / f"{case}.safetensors")


class Tower(torch.nn.ModuleDict):
    """Names as in open_clip's state dict."""

    def forward(self, x):
        visual = self["visual"]
        if isinstance(visual, torch.nn.ModuleDict):
            return visual["head"]["proj"](visual["trunk"](x))
        return visual(x)


def resnet():
    from open_clip.modified_resnet import ModifiedResNet

    visual = ModifiedResNet(layers=[2, 1, 1, 2], output_dim=12, heads=4, image_size=64, width=8)
    run("resnet", Tower({"visual": visual}), 64, 3)


def efficientnet():
    from timm.models._efficientnet_builder import decode_arch_def
    from timm.models.efficientnet import EfficientNet

    arch = [["ds_r2_k3_s1_e1_c8"], ["ir_r2_k3_s2_e3_c16"], ["ir_r2_k5_s2_e2_c24"]]
    trunk = EfficientNet(decode_arch_def(arch), stem_size=8, num_features=40, fix_stem=True, act_layer=torch.nn.ReLU6,
                         pad_type="same", norm_layer=functools.partial(torch.nn.BatchNorm2d, eps=1e-3), num_classes=0)
    head = torch.nn.ModuleDict({"proj": torch.nn.Linear(40, 12)})
    run("efficientnet", Tower({"visual": torch.nn.ModuleDict({"trunk": trunk, "head": head})}), 37, 3)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    resnet()
    efficientnet()
