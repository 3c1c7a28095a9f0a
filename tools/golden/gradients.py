"""Golden gradients of the towers: tiny models of the reference libraries, every parameter's gradient.

The loss is sum(pooled * dpooled) for a fixed dpooled, in double precision. No weight is stored: each is
offset + scale * u(name, i) as in clip.py, which the test computes again (src/clip/gradients_test.cc). Run in an
environment with torch 2.15, open_clip_torch 3.3, transformers 5.24, safetensors:
    python tools/golden/gradients.py
Writes tests/golden/gradients/<case>.safetensors: "in/<name>", "out/pooled", "grad/<parameter>" under Diptych's names.
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrize

from clip import uniform

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "gradients"
WIDTH, HEADS, MLP, EMBED, VOCAB, CONTEXT = 18, 2, 30, 12, 40, 9
TEXTS = [[38, 5, 7, 7, 39, 0, 0, 0, 0], [38, 39, 0, 0, 0, 0, 0, 0, 0], [38, 1, 2, 3, 4, 5, 6, 30, 39]]


def made(name, shape, prefix=""):
    count = torch.Size(shape).numel()
    u = torch.from_numpy(uniform(prefix + name, count)).reshape(shape)
    norm = "ln_" in name or "LayerNorm" in name
    if norm and name.endswith("weight"):
        return 1 + 0.3 * u
    if "embedding" in name and not norm:
        return 0.5 * u
    return (1.7 / (count / shape[0]) ** 0.5 if len(shape) >= 2 else 0.3) * u


def own_name(name):
    """Of a reference's parameter, and which third of a joined q, k, v it is."""
    for old, new in [("text_model.embeddings.token_embedding.", "token_embedding."),
                     ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
                     ("text_model.encoder.layers.", "transformer.resblocks."), (".layer_norm1.", ".ln_1."),
                     (".layer_norm2.", ".ln_2."), (".mlp.fc1.", ".mlp.c_fc."), (".mlp.fc2.", ".mlp.c_proj."),
                     (".self_attn.out_proj.", ".attn.out_proj."), ("text_model.final_layer_norm.", "ln_final.")]:
        name = name.replace(old, new)
    for third, letter in enumerate("qkv"):
        name_of = {f".self_attn.{letter}_proj.": ".attn.in_proj_",
                   ".attention.self." + ("query.", "key.", "value.")[third]: ".attention.self.qkv."}
        for old, new in name_of.items():
            if old in name:
                return name.replace(old, new), third
    return name, None


def hf_name(name):
    return ("text_projection", None) if name == "text_projection.weight" else own_name(name)


def fill(model, prefix, name_of=own_name):
    for name, p in model.named_parameters():
        name, third = name_of(prefix + name)
        shape = list(p.shape)
        if third is None:
            value = made(name, shape)
        else:
            value = made(name, [3 * shape[0]] + shape[1:])[third * shape[0]:(third + 1) * shape[0]]
        p.data = value.double()


def gradients(model, prefix, name_of):
    result, thirds = {}, {}
    for name, p in model.named_parameters():
        if p.grad is None:
            continue
        name, third = name_of(prefix + name)
        if third is None:
            result[name] = p.grad
        else:
            thirds.setdefault(name, [None] * 3)[third] = p.grad
    return result | {name: torch.cat(parts) for name, parts in thirds.items()}


def save(case, pooled, dpooled, inputs, grads):
    tensors = {f"in/{k}": v for k, v in inputs.items()}
    tensors |= {"in/dpooled": dpooled.float(), "out/pooled": pooled.detach().float()}
    tensors |= {f"grad/{k}": v.float() for k, v in grads.items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{case}.safetensors")


def run(case, model, prefix, argument, inputs, name_of=own_name):
    pooled = model(argument)
    pooled = getattr(pooled, "text_embeds", pooled)  # transformers
    dpooled = torch.from_numpy(uniform("dpooled", pooled.numel())).reshape(pooled.shape).double()
    (pooled * dpooled).sum().backward()
    save(case, pooled, dpooled, inputs, gradients(model, prefix, name_of))


def open_clip_vit(**options):
    from open_clip.transformer import VisionTransformer

    model = VisionTransformer(image_size=13, patch_size=4, width=WIDTH, layers=2, heads=HEADS, mlp_ratio=MLP / WIDTH,
                              output_dim=EMBED, **options).double()
    fill(model, "visual.")
    return model


def vit_inputs():
    pixels = torch.from_numpy(uniform("pixels", 3 * 3 * 13 * 13)).reshape(3, 3, 13, 13)
    return pixels.double(), {"pixels": pixels}


def vit(case, **options):
    pixels, inputs = vit_inputs()
    run(case, open_clip_vit(**options), "visual.", pixels, inputs)


class Lora(nn.Module):
    """Hu et al. (2021): W + scale B A, the base frozen."""

    def __init__(self, name, shape, rank, scale):
        super().__init__()
        self.name, self.scale = name, scale
        self.a = nn.Parameter(made(name + "lora_A.weight", [rank, shape[1]]).double())
        self.b = nn.Parameter(made(name + "lora_B.weight", [shape[0], rank]).double())

    def forward(self, w):
        return w + self.scale * self.b @ self.a


def vit_lora():
    model = open_clip_vit().requires_grad_(False)
    adapters = []
    for i, block in enumerate(model.transformer.resblocks):
        prefix = f"visual.transformer.resblocks.{i}."
        for module, weight, name in [(block.attn, "in_proj_weight", "attn.in_proj_"),
                                     (block.attn.out_proj, "weight", "attn.out_proj."),
                                     (block.mlp.c_fc, "weight", "mlp.c_fc."),
                                     (block.mlp.c_proj, "weight", "mlp.c_proj.")]:
            adapters.append(Lora(prefix + name, getattr(module, weight).shape, rank=3, scale=2.0))
            parametrize.register_parametrization(module, weight, adapters[-1])
    pixels, inputs = vit_inputs()
    pooled = model(pixels)
    dpooled = torch.from_numpy(uniform("dpooled", pooled.numel())).reshape(pooled.shape).double()
    (pooled * dpooled).sum().backward()
    grads = {a.name + "lora_A.weight": a.a.grad for a in adapters}
    grads |= {a.name + "lora_B.weight": a.b.grad for a in adapters}
    save("vit_lora", pooled, dpooled, inputs, grads)


def text(case, **options):
    from open_clip.transformer import TextTransformer

    model = TextTransformer(context_length=CONTEXT, vocab_size=VOCAB, width=WIDTH, heads=HEADS, layers=2,
                            mlp_ratio=MLP / WIDTH, output_dim=EMBED, **options).double()
    fill(model, "")
    ids = torch.tensor(TEXTS)
    run(case, model, "", ids, {"ids": ids.int()})


def hf_text(case):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=MLP, projection_dim=EMBED,
                            num_hidden_layers=2, num_attention_heads=HEADS, max_position_embeddings=CONTEXT,
                            hidden_act="quick_gelu", eos_token_id=30, bos_token_id=38)
    model = CLIPTextModelWithProjection(config).double()
    fill(model, "", hf_name)
    ids = torch.tensor(TEXTS)
    ids[ids == 39] = 31
    ids[0, 3], ids[1, 1], ids[2, 5] = 30, 30, 30  # the end token, not the largest id
    run(case, model, "", ids, {"ids": ids.int()}, hf_name)


def bert(case, pooler, projection, activation):
    from open_clip.hf_model import HFTextEncoder
    from transformers import BertConfig

    config = BertConfig(vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS,
                        intermediate_size=MLP, max_position_embeddings=CONTEXT + 2, layer_norm_eps=1e-12,
                        hidden_act=activation)
    model = HFTextEncoder("bert", output_dim=EMBED, config=config, pooler_type=pooler, proj_type=projection,
                          pretrained=False).double().eval()
    fill(model, "text.")
    ids = torch.tensor(TEXTS)
    ids[2, 3] = 0  # a pad token in the middle of a text is masked, too
    run(case, model, "text.", ids, {"ids": ids.int()})


if __name__ == "__main__":
    from open_clip.transformer import QuickGELU

    OUT.mkdir(parents=True, exist_ok=True)
    vit("vit_class")
    vit("vit_average", pool_type="avg", no_ln_pre=True, act_layer=QuickGELU)
    vit("vit_average_norm_after", pool_type="avg", final_ln_after_pool=True)
    vit_lora()
    text("text_argmax")
    text("text_first", no_causal_mask=True, pool_type="first", proj_bias=True)
    hf_text("text_eos")
    bert("bert_mean_linear", "mean_pooler", "linear", "gelu")
    bert("bert_cls_mlp", "cls_last_hidden_state_pooler", "mlp", "gelu_new")
