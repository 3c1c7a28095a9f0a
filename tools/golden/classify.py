#!/usr/bin/env python3
"""Probabilities of the pictures in examples/ by open_clip 3.3.0 (torch 2.15, Pillow 13), fp32, on models/starter, and
of a label set averaged over several templates. Writes tests/golden/classify/expected.json."""

import json
import pathlib
import shutil
import tempfile

import open_clip
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
LABELS = ["cat", "dog", "bird", "car", "cup of coffee", "rocket", "flower", "person"]
TEMPLATES = ["a photo of a {}", "a blurry photo of a {}.", "{}"]

STARTER = ROOT / "models/starter"

# open_clip would ask the network for the text tower's configuration by its name; here it lies beside the weights.
folder = pathlib.Path(tempfile.mkdtemp())
for file in STARTER.iterdir():
    shutil.copyfile(file, folder / file.name)
shutil.copyfile(STARTER / "text_config.json", folder / "config.json")
config = json.loads((STARTER / "open_clip_config.json").read_text())
config["model_cfg"]["text_cfg"] |= {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
(folder / "open_clip_config.json").write_text(json.dumps(config))
model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", precision="fp32")
model = model.float().eval()
tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")


def embed(texts):
    return torch.nn.functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)


with torch.no_grad():
    one = embed([TEMPLATES[0].format(label) for label in LABELS])
    averaged = torch.nn.functional.normalize(
        torch.stack([embed([t.format(label) for t in TEMPLATES]).mean(0) for label in LABELS]), dim=-1
    )
    pictures = {}
    for path in sorted((ROOT / "examples").glob("*.*g")):
        image = preprocess(Image.open(path)).unsqueeze(0)
        embedding = torch.nn.functional.normalize(model.encode_image(image), dim=-1)
        scale = model.logit_scale.exp()
        pictures[path.name] = {
            "logits": [round(v, 4) for v in (scale * embedding @ one.T)[0].tolist()],
            "probabilities": [round(v, 6) for v in (scale * embedding @ one.T).softmax(-1)[0].tolist()],
            "averaged": [round(v, 6) for v in (scale * embedding @ averaged.T).softmax(-1)[0].tolist()],
            "embedding_first8": [round(v, 6) for v in embedding[0, :8].tolist()],
        }
target = ROOT / "tests/golden/classify/expected.json"
target.write_text(json.dumps({"labels": LABELS, "templates": TEMPLATES, "pictures": pictures}, indent=1) + "\n")
