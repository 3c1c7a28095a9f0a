"""Golden values of whole models: open_clip's and transformers' classes with made weights, their embeddings and logits.

No weight is stored: each tensor is offset + scale * u(name, i), u a hash of its name and index in [-1, 1), which the
test computes again (src/clip/clip_golden_test.cc). Run in an environment with torch 2.15, open_clip_torch 3.3 and
transformers 5.24:
    python tools/golden/clip.py
Writes tests/golden/clip/<case>.json and the small tokenizer that the transformers cases share.
"""
import json
import pathlib
import tempfile

import numpy as np
import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "clip"
TEXTS = ["a photo of a cat", "a photo of a dog", "two cats & three dogs, 42 birds!", "x", "the quick brown fox " * 9]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def uniform(name, count):
    """splitmix64 over (FNV-1a of the name) + index, its top 24 bits as a number in [-1, 1)."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(h)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)).astype(np.float32)


def rule(name, shape):
    """(offset, scale) that keep activations of a size where errors would show."""
    if name == "logit_scale":
        return 3.0, 0.0
    if name == "logit_bias":
        return -4.0, 0.0
    if "embedding" in name and "conv" not in name and "patch" not in name:
        return 0.0, 0.5
    if name.endswith("running_var"):
        return 1.0, 0.5
    if len(shape) >= 2:
        fan_in = shape[0] if name.endswith(("proj", "text_projection")) else int(np.prod(shape[1:]))
        return 0.0, 1.7 / fan_in**0.5
    return (1.0, 0.3) if name.endswith("weight") else (0.0, 0.3)


def fill(model, dtype):
    tensors = {}
    for name, t in model.state_dict().items():
        if not t.is_floating_point() or name == "attn_mask":
            continue
        offset, scale = rule(name, t.shape)
        values = np.float32(offset) + np.float32(scale) * uniform(name, t.numel())
        t.copy_(torch.from_numpy(values).reshape(t.shape).to(DTYPES[dtype]).float())
        tensors[name] = {"shape": list(t.shape), "offset": offset, "scale": scale}
    return tensors


def pixels(size):
    return torch.from_numpy(uniform("pixels", 2 * 3 * size * size) * np.float32(2)).reshape(2, 3, size, size)


def write(case, files, tensors, dtype, image, text, logits, **extra):
    def rows(t):
        return [[float(f"{v:.8g}") for v in row] for row in t.tolist()]
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"files": files, "dtype": dtype, "tensors": tensors, "texts": TEXTS, "image_embeddings": rows(image),
              "text_embeddings": rows(text), "logits_per_image": rows(logits)} | extra
    (OUT / f"{case}.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")


def open_clip_case(case, vision, text, dtype="F32", **model_cfg):
    import open_clip

    cfg = {"embed_dim": 24, "vision_cfg": {"image_size": 32, "layers": 2, "patch_size": 8} | vision,
           "text_cfg": {"layers": 2, "width": 64, "heads": 2} | text} | model_cfg
    custom = cfg.get("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    args = {k: v for k, v in cfg.items() if k != "custom_text"}
    model = kind(**args).eval()
    tensors = fill(model, dtype)
    ids = open_clip.get_tokenizer("ViT-B-32", context_length=cfg["text_cfg"].get("context_length", 77))(TEXTS)
    seen = pixels(cfg["vision_cfg"]["image_size"])
    image, words = model.encode_image(seen), model.encode_text(ids)
    per_image = model.get_logits(seen, ids)[0]
    config = {"model_cfg": cfg, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    write(case, {"open_clip_config.json": config}, tensors, dtype, image, words, per_image)


def small_tokenizer():
    """CLIP's byte alphabet, 24 merges, the two special tokens last."""
    def alphabet():
        printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
        rest = [b for b in range(256) if b not in printable]
        return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    merges = ["t h", "th e</w>", "p h", "o t", "ph ot", "phot o</w>", "o f</w>", "c a", "ca t</w>", "ca t", "cat s</w>",
              "d o", "do g</w>", "do g", "dog s</w>", "t w", "tw o</w>", "q u", "f o", "fo x</w>", "b r", "o w",
              "br ow",
              "brow n</w>"]
    tokens = alphabet() + [c + "</w>" for c in alphabet()] + [m.replace(" ", "") for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {t: i for i, t in enumerate(tokens)}, merges


def transformers_case(case, vision, text, dtype="F32", shards=1, sparse=False):
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    vocab, merges = small_tokenizer()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False) + "\n")
    (OUT / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    vision = {"image_size": 32, "patch_size": 8, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 256, "projection_dim": 99} | vision
    text = {"vocab_size": len(vocab), "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 96, "bos_token_id": len(vocab) - 2, "eos_token_id": len(vocab) - 1,
            "max_position_embeddings": 32} | text
    raw = {"model_type": "clip", "projection_dim": 24, "vision_config": vision, "text_config": text}
    model = CLIPModel(CLIPConfig(**{k: v for k, v in raw.items() if k != "model_type"})).eval()
    tensors = fill(model, dtype)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("vocab.json", "merges.txt"):
            pathlib.Path(folder, name).write_bytes((OUT / name).read_bytes())
        tokenizer = CLIPTokenizer(vocab=f"{folder}/vocab.json", merges=f"{folder}/merges.txt", model_max_length=32)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=32, return_tensors="pt")
    out = model(pixel_values=pixels(32), **inputs)
    processor = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True,
                 "do_convert_rgb": True, "do_normalize": True, "do_resize": True, "resample": 3,
                 "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    ids = [tokenizer(t, truncation=True, max_length=32)["input_ids"] for t in TEXTS]
    # The well-known example: two prompts, one picture, through transformers' Pillow processor.
    from PIL import Image
    from transformers import CLIPImageProcessorPil

    cat = Image.open(pathlib.Path(__file__).resolve().parents[2] / "examples" / "cat.png")
    prompts = {k: v[:2] for k, v in inputs.items()}
    seen = CLIPImageProcessorPil(**processor)(images=cat, return_tensors="pt")["pixel_values"]
    cat_probabilities = model(pixel_values=seen, **prompts).logits_per_image.softmax(1)[0].tolist()
    write(case, {"config.json": raw, "preprocessor_config.json": processor}, tensors, dtype, out.image_embeds,
          out.text_embeds, out.logits_per_image, shards=shards, ids=ids, cat_probabilities=cat_probabilities)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    open_clip_case("openclip_b_gelu", {"width": 128, "head_width": 64}, {})
    open_clip_case("openclip_b_quickgelu", {"width": 128, "head_width": 64}, {}, quick_gelu=True, dtype="F16")
    open_clip_case("openclip_so400m_head72", {"width": 144, "head_width": 72, "mlp_ratio": 3.7362}, {})
    open_clip_case("openclip_h_head80", {"width": 160, "head_width": 80}, {})
    open_clip_case("openclip_g_head88", {"width": 176, "head_width": 88, "mlp_ratio": 4.3637}, {}, dtype="BF16")
    open_clip_case("openclip_bigg_head104", {"width": 208, "head_width": 104, "mlp_ratio": 4.9231}, {})
    open_clip_case("openclip_custom_text", {"width": 128, "head_width": 64}, {}, custom_text=True)
    open_clip_case("openclip_average_pool",
                   {"width": 128, "head_width": 64, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},
                   {"context_length": 32, "no_causal_mask": True, "pool_type": "last"}, custom_text=True)
    open_clip_case("openclip_resnet", {"image_size": 96, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None}, {},
                   quick_gelu=True)
    transformers_case("hf_legacy_eos", {}, {"eos_token_id": 2, "bos_token_id": 0})
    transformers_case("hf_gelu", {"hidden_act": "gelu"}, {"hidden_act": "gelu"}, dtype="F16")
    transformers_case("hf_sharded_bf16", {"hidden_size": 160}, {}, dtype="BF16", shards=3)
