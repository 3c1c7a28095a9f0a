"""Golden values of token merging (Bolya et al., "Token Merging: Your ViT But Faster", ICLR 2023): embeddings of
transformers' CLIP and open_clip's average pooling with made weights (tools/golden/clip.py), with 0 to many tokens
merged in each block.

The algorithm is written here from the paper and the authors' merge.py: after a block's attention the tokens at even
positions look for the most similar one at an odd position, by the cosine of the keys' means over the heads; the R with
the highest cosines join theirs in averages weighted by sizes; the logarithm of its size is added to each key's score.
Which tokens merge must not hang on rounding: in double precision the answers are the same, which is asserted.

Run in an environment with torch 2.15, open_clip_torch 3.3 and transformers 5.24:
    python tools/golden/token_merging.py
Writes tests/golden/clip/merge_<case>.json.
"""
import json

import torch
from clip import OUT, fill, pixels, small_tokenizer

COUNTS = [0, 1, 5, 8, 40, 1000]


def merge(x, size, metric, count):
    """x (B, T, D), size (B, T, 1), metric (B, T, HD) -> x and size of the tokens that are left."""
    count = min(count, (x.shape[1] - 1) // 2)
    if count == 0:
        return x, size
    metric = metric / metric.norm(dim=-1, keepdim=True)
    scores = metric[:, ::2] @ metric[:, 1::2].transpose(1, 2)
    scores[:, 0] = -torch.inf  # the class token
    best, partner = scores.max(dim=2)
    order = best.argsort(dim=1, descending=True, stable=True)
    rows = []
    for b in range(x.shape[0]):
        even, odd = (x * size)[b, ::2], (x * size)[b, 1::2].clone()
        size_even, size_odd = size[b, ::2], size[b, 1::2].clone()
        for i in order[b, :count].tolist():
            odd[partner[b, i]] += even[i]
            size_odd[partner[b, i]] += size_even[i]
        stay = order[b, count:].sort().values
        sizes = torch.cat([size_even[stay], size_odd])
        rows.append((torch.cat([even[stay], odd]) / sizes, sizes))
    return torch.stack([row for row, _ in rows]), torch.stack([sizes for _, sizes in rows])


def attend(q, k, v, heads, size):
    """(B, T, D) each, proportional to the keys' sizes -> mixed values and the metric."""
    b, t, d = q.shape
    q, k, v = (z.reshape(b, t, heads, d // heads).transpose(1, 2) for z in (q, k, v))
    scores = q @ k.transpose(2, 3) * (d // heads) ** -0.5 + size.log().transpose(1, 2)[:, None]
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d), k.mean(dim=1)


def hugging_face(model, seen, count):
    vision = model.vision_model
    x = vision.pre_layrnorm(vision.embeddings(seen))
    size = torch.ones_like(x[..., :1])
    for layer in vision.encoder.layers:
        part = layer.self_attn
        y = layer.layer_norm1(x)
        mixed, metric = attend(part.q_proj(y), part.k_proj(y), part.v_proj(y), part.num_heads, size)
        x, size = merge(x + part.out_proj(mixed), size, metric, count)
        x = x + layer.mlp(layer.layer_norm2(x))
    return model.visual_projection(vision.post_layernorm(x[:, 0]))


def open_clip_average(model, seen, count):
    visual = model.visual
    x = visual.conv1(seen).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(x.shape[0], 1, -1), x], dim=1) + visual.positional_embedding
    x = visual.ln_pre(x)
    size = torch.ones_like(x[..., :1])
    for block in visual.transformer.resblocks:
        projected = torch.nn.functional.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
        mixed, metric = attend(*projected.chunk(3, -1), block.attn.num_heads, size)
        x, size = merge(x + block.attn.out_proj(mixed), size, metric, count)
        x = x + block.mlp(block.ln_2(x))
    pooled = (x * size)[:, 1:].sum(dim=1) / size[:, 1:].sum(dim=1)
    return visual.ln_post(pooled) @ visual.proj


def write(case, files, tensors, image_size, model, embed, unmerged, **extra):
    seen = pixels(image_size)
    assert torch.allclose(embed(model, seen, 0), unmerged, atol=1e-5), case  # the tower is the reference's
    merged = {count: embed(model, seen, count) for count in COUNTS}
    exact = model.double()
    for count, rows in merged.items():
        assert torch.allclose(embed(exact, seen.double(), count), rows.double(), atol=1e-5), (case, count)
    record = {"files": files, "dtype": "F32", "tensors": tensors, "image_size": image_size,
              "merged": {count: [[float(f"{v:.8g}") for v in row] for row in rows.tolist()]
                         for count, rows in merged.items()}} | extra
    (OUT / f"merge_{case}.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(case, [round(torch.cosine_similarity(rows, merged[0]).min().item(), 4) for rows in merged.values()])


def transformers_case(case, image_size, layers):
    from transformers import CLIPConfig, CLIPModel

    vocab, _ = small_tokenizer()
    vision = {"image_size": image_size, "patch_size": 8, "hidden_size": 64, "num_hidden_layers": layers,
              "num_attention_heads": 2, "intermediate_size": 128}
    text = {"vocab_size": len(vocab), "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 96, "bos_token_id": len(vocab) - 2, "eos_token_id": len(vocab) - 1,
            "max_position_embeddings": 32}
    raw = {"model_type": "clip", "projection_dim": 24, "vision_config": vision, "text_config": text}
    model = CLIPModel(CLIPConfig(**{k: v for k, v in raw.items() if k != "model_type"})).eval()
    tensors = fill(model, "F32")
    processor = {"size": {"shortest_edge": image_size}, "crop_size": {"height": image_size, "width": image_size},
                 "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_resize": True, "resample": 3,
                 "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    features = model.get_image_features(pixel_values=pixels(image_size))
    unmerged = features if torch.is_tensor(features) else features.pooler_output
    write(case, {"config.json": raw, "preprocessor_config.json": processor}, tensors, image_size, model, hugging_face,
          unmerged, ids=[])


def average_case(case, image_size):
    import open_clip

    config = {"embed_dim": 24, "text_cfg": {"layers": 1, "width": 64, "heads": 2, "context_length": 32},
              "vision_cfg": {"image_size": image_size, "layers": 3, "patch_size": 8, "width": 64, "head_width": 32,
                             "pool_type": "avg", "final_ln_after_pool": True}}
    model = open_clip.CLIP(**config).eval()
    tensors = fill(model, "F32")
    files = {"open_clip_config.json": {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}}
    write(case, files, tensors, image_size, model, open_clip_average, model.encode_image(pixels(image_size)))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    transformers_case("hf_17_tokens", 32, 3)
    transformers_case("hf_257_tokens", 128, 4)
    transformers_case("hf_325_tokens", 144, 2)
    average_case("openclip_average", 64)
