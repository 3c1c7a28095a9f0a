"""Checkpoint folders of published shapes with random weights, in the layouts of open_clip and transformers."""
import gzip
import json
import pathlib

import torch


def bpe_path():
    """CLIP's own vocabulary, which open_clip brings along."""
    import open_clip

    return pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"


def merges():
    """CLIP's own vocabulary, as transformers wants it: (token -> id, lines of merges)."""
    from open_clip.tokenizer import bytes_to_unicode

    lines = gzip.open(bpe_path()).read().decode().split("\n")[1:49152 - 256 - 2 + 1]
    chars = list(bytes_to_unicode().values())
    tokens = chars + [c + "</w>" for c in chars] + ["".join(m.split()) for m in lines]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {t: i for i, t in enumerate(tokens)}, lines


def liven(model, seed=0):
    """Default initialisation leaves biases at zero and norms at one, where errors would hide."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if p.ndim == 1:
            p.add_(torch.randn(p.shape, generator=g) * 0.1)
        elif "class_embedding" not in name and p.ndim == 2 and "embedding" in name:
            p.add_(torch.randn(p.shape, generator=g) * 0.05)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand(buffer.shape, generator=g) * 0.2)


def save_open_clip(folder, model, config):
    """`config` is open_clip's of the model; pictures are prepared as OpenAI's are."""
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k != "attn_mask"},
              folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))


def save_transformers(folder, vision, text, projection):
    """Makes a CLIPModel of these configurations and saves it; returns it, its processor and its tokenizer."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    vocab, pairs = merges()
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=projection)
    model = CLIPModel(config).eval()
    liven(model)
    model.save_pretrained(folder)
    side = vision.get("image_size", 224)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    processor.save_pretrained(folder)
    tokenizer = CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=77)
    tokenizer.save_pretrained(folder)
    return model, processor, tokenizer
