"""Published shapes at full size, random weights: embeddings and logits of diptych beside transformers and open_clip.

Run in an environment with torch 2.15, transformers 5.24, open_clip_torch 3.3, Pillow 13:
    python tools/full_size_parity.py build/diptych [picture ...] [--only NAME] >> docs/parity.md
Prints a row of a Markdown table for each model: the smallest cosine over pictures and texts, and the largest error of a
logit relative to its row's largest magnitude. Needs up to 12 GB of memory and disk for ViT-H/14.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image

from random_checkpoint import liven, save_open_clip, save_transformers

TEXTS = ["a photo of a cat", "a photo of a dog", "Two cats, asleep on a pink sofa!", "x",
         "a very long caption that goes on and on " * 12]


def transformers_model(folder, vision, text, projection):
    model, processor, tokenizer = save_transformers(folder, vision, text, projection)

    def run(pictures):
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        words = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
        out = model(pixel_values=pixels, **words)
        return out.image_embeds.numpy(), out.text_embeds.numpy(), out.logits_per_image.numpy()
    return run


def open_clip_model(folder, name):
    import open_clip

    config = open_clip.get_model_config(name)
    model = open_clip.CLIP(**config).eval()
    liven(model)
    save_open_clip(folder, model, config)
    transform = open_clip.image_transform(config["vision_cfg"]["image_size"], is_train=False)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")

    def run(pictures):
        pixels = torch.stack([transform(p) for p in pictures])
        image = model.encode_image(pixels, normalize=True)
        words = model.encode_text(tokenizer(TEXTS), normalize=True)
        return image.numpy(), words.numpy(), (model.logit_scale.exp() * image @ words.T).numpy()
    return run


MODELS = {
    "transformers ViT-B/32": lambda f: transformers_model(f, {}, {"eos_token_id": 2}, 512),
    "transformers ViT-L/14-336": lambda f: transformers_model(
        f, dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336,
                patch_size=14),
        dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, eos_token_id=2), 768),
    "open_clip ViT-B/32": lambda f: open_clip_model(f, "ViT-B-32"),
    "open_clip RN50": lambda f: open_clip_model(f, "RN50-quickgelu"),
    "open_clip ViT-H/14": lambda f: open_clip_model(f, "ViT-H-14"),
}


def embed(program, folder, args, out):
    subprocess.run([program, "embed", "--model", folder, "--out", out, *args], check=True, stdout=subprocess.DEVNULL)
    return np.load(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("pictures", nargs="*", default=["examples/chelsea.png"])
    parser.add_argument("--only")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    pictures = [Image.open(p) for p in args.pictures]
    for name, make in MODELS.items():
        if args.only and args.only != name:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            run = make(folder)
            image, words, logits = run(pictures)
            ours = embed(args.program, folder, args.pictures, folder / "i.npy")
            text_args = [a for t in TEXTS for a in ("--text", t)]
            our_words = embed(args.program, folder, text_args, folder / "t.npy")
        scale = logits.max() / (image @ words.T).max()
        ours_logits = scale * ours @ our_words.T
        error = np.abs(ours_logits - logits).max(axis=1) / np.abs(logits).max(axis=1)
        print(f"| {name} | {(ours * image).sum(1).min():.7f} | {(our_words * words).sum(1).min():.7f} | "
              f"{error.max():.1e} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
