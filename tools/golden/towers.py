"""Golden values of the towers: tiny random models of the reference libraries, their weights, inputs and every output.

Run in an environment with torch 2.15, timm 1.0.31, transformers 5.24, open_clip_torch 3.3, safetensors:
    python tools/golden/towers.py
Writes tests/golden/towers/*.safetensors: tensors "weight/<state-dict name>", "in/<name>", "out/<name>"; fp32 but ids.
"""
import functools
import pathlib

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "towers"


def randomize(module, seed):
    """Weights of a scale that keeps activations alive, batch-norm statistics included."""
    g = torch.Generator().manual_seed(seed)
    for name, t in list(module.named_parameters()) + list(module.named_buffers()):
        if not t.is_floating_point():
            continue
        with torch.no_grad():
            r = torch.randn(t.shape, generator=g)
            if name.endswith("running_var"):
                t.copy_(r.abs() * 0.5 + 0.5)
            elif t.ndim >= 2:
                t.copy_(r * (1.5 / t[0].numel() ** 0.5) if "embed" not in name else r * 0.3)
            elif "weight" in name:
                t.copy_(1 + 0.2 * r)
            else:
                t.copy_(0.2 * r)


def save(name, weights, inputs, outputs):
    tensors = {f"weight/{k}": v.float().contiguous() for k, v in weights.items()
               if v.is_floating_point() and "num_batches_tracked" not in k}
    tensors |= {f"in/{k}": v.contiguous() for k, v in inputs.items()}
    tensors |= {f"out/{k}": v.detach().float().contiguous() for k, v in outputs.items()}
    save_file(tensors, OUT / f"{name}.safetensors")


def efficientnet():
    from timm.models._efficientnet_builder import decode_arch_def
    from timm.models.efficientnet import EfficientNet

    arch = [["ds_r1_k3_s1_e1_c8"], ["ir_r2_k3_s2_e3_c16"], ["ir_r2_k5_s2_e2_c24"]]
    trunk = EfficientNet(decode_arch_def(arch), stem_size=8, num_features=40, fix_stem=True, act_layer=torch.nn.ReLU6,
                         pad_type="same", norm_layer=functools.partial(torch.nn.BatchNorm2d, eps=1e-3), num_classes=0)
    head = torch.nn.Linear(40, 10)
    trunk.eval(), head.eval()
    randomize(trunk, 1), randomize(head, 2)
    x = torch.randn(2, 3, 37, 37, generator=torch.Generator().manual_seed(3))  # odd: padding is asymmetric
    hidden = []
    for stage in trunk.blocks:
        for block in stage:
            block.register_forward_hook(lambda m, i, o: hidden.append(o.permute(0, 2, 3, 1)))
    with torch.no_grad():
        pooled = head(trunk(x))
    weights = {f"visual.trunk.{k}": v for k, v in trunk.state_dict().items()}
    weights |= {f"visual.head.proj.{k}": v for k, v in head.state_dict().items()}
    save("efficientnet", weights, {"pixels": x},
         {"pooled": pooled} | {f"hidden.{i}": h for i, h in enumerate(hidden)})


def bert(name, pooler, projection, activation):
    from open_clip.hf_model import HFTextEncoder
    from transformers import BertConfig

    config = BertConfig(vocab_size=60, hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=40,
                        max_position_embeddings=20, type_vocab_size=2, layer_norm_eps=1e-12, hidden_act=activation)
    tower = HFTextEncoder("bert", output_dim=16, config=config, pooler_type=pooler, proj_type=projection,
                          pretrained=False).eval()
    randomize(tower, 4)
    ids = torch.zeros(4, 12, dtype=torch.long)
    g = torch.Generator().manual_seed(5)
    lengths = [12, 3, 7, 2]
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 60, (length,), generator=g)
    ids[2, 3] = 0  # a pad token in the middle of a text is masked, too
    hidden = []
    for layer in tower.transformer.encoder.layer:
        layer.register_forward_hook(lambda m, i, o: hidden.append(o[0] if isinstance(o, tuple) else o))
    with torch.no_grad():
        pooled = tower(ids)
    weights = {f"text.{k}": v for k, v in tower.state_dict().items()
               if "pooler" not in k and "position_ids" not in k and "token_type_ids" not in k}
    save(name, weights, {"ids": ids.int(), "lengths": torch.tensor(lengths, dtype=torch.int32)},
         {"pooled": pooled} | {f"hidden.{i}": h for i, h in enumerate(hidden)})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    efficientnet()
    bert("bert_mean_linear", "mean_pooler", "linear", "gelu")
    bert("bert_cls_mlp", "cls_last_hidden_state_pooler", "mlp", "gelu_new")
