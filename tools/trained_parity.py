"""Checkpoints of `diptych train`, loaded by the library whose layout they have, against `diptych embed`.

usage: trained_parity.py DIPTYCH FOLDER...     (torch 2.15, open_clip_torch 3.3, transformers 5.24, Pillow 13)

Pictures and first captions of examples/pairs. Prints the smallest cosine of an embedding and the largest error of a
logit relative to its row's largest. open_clip looks up the configuration of a text tower of Hugging Face's by its name
on the network; where text_config.json lies in the folder, that is taken instead.
"""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import open_clip
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizerFast

PAIRS = sorted((Path(__file__).resolve().parents[1] / "examples/pairs").glob("*.jpg"))
TEXTS = [path.with_suffix(".txt").read_text().split("\n")[0] for path in PAIRS]
PICTURES = [Image.open(path) for path in PAIRS]


def ours(diptych, model):
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "texts").write_text("\n".join(TEXTS) + "\n")
        pictures, texts = f"{scratch}/pictures.npy", f"{scratch}/texts.npy"
        for inputs, out in ((PAIRS, pictures), (["--texts-file", f"{scratch}/texts"], texts)):
            command = [diptych, "embed", *inputs, "--model", model, "--out", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return numpy.load(pictures), numpy.load(texts)


def by_transformers(folder):
    model = CLIPModel.from_pretrained(folder).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=PICTURES, return_tensors="pt")
    ids = CLIPTokenizerFast.from_pretrained(folder)(TEXTS, return_tensors="pt", padding=True)
    out = model(**ids, pixel_values=pixels["pixel_values"])
    return out.image_embeds.numpy(), out.text_embeds.numpy(), model.logit_scale.exp().item(), 0.0


def by_open_clip(folder):
    with tempfile.TemporaryDirectory() as scratch:
        if (folder / "text_config.json").exists():
            shutil.copytree(folder, scratch, dirs_exist_ok=True)
            shutil.copyfile(folder / "text_config.json", f"{scratch}/config.json")
            config = json.loads((folder / "open_clip_config.json").read_text())
            config["model_cfg"]["text_cfg"] |= {"hf_model_name": scratch, "hf_tokenizer_name": scratch}
            folder = Path(scratch)
            (folder / "open_clip_config.json").write_text(json.dumps(config))
        model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    pictures = model.encode_image(torch.stack([preprocess(picture) for picture in PICTURES]), normalize=True)
    texts = model.encode_text(tokenizer(TEXTS), normalize=True)
    bias = getattr(model, "logit_bias", None)
    return pictures.numpy(), texts.numpy(), model.logit_scale.exp().item(), 0.0 if bias is None else bias.item()


def smallest_cosine(x, y):
    return ((x * y).sum(1) / numpy.linalg.norm(x, axis=1) / numpy.linalg.norm(y, axis=1)).min()


@torch.no_grad()
def compare(diptych, folder):
    reference = by_open_clip if (folder / "open_clip_config.json").exists() else by_transformers
    pictures, texts, scale, bias = reference(folder)
    our_pictures, our_texts = ours(diptych, folder)
    logits, our_logits = scale * pictures @ texts.T + bias, scale * our_pictures @ our_texts.T + bias
    error = (numpy.abs(logits - our_logits).max(1) / numpy.abs(logits).max(1)).max()
    print(f"{folder.name}: cosine of pictures {smallest_cosine(pictures, our_pictures):.7f}, "
          f"texts {smallest_cosine(texts, our_texts):.7f}; logits {error:.1e}")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        compare(sys.argv[1], Path(name))
