#!/usr/bin/env python3
"""The recipe of `diptych train` in open_clip, for runs side by side: same first weights, data order, batch, schedule.

    open_clip_run.py FIRST OUT.jsonl --train 'shards/tiny-*.tar' --val cifar10.tar caltech101.tar --steps 300 ...

FIRST is a checkpoint folder of open_clip's layout, such as `diptych train --lr 0 --steps 1` leaves: its weights are
those that the run starts from. Shards are read in order, one caption a picture, without shuffling (`--shuffle-buffer
0` of `diptych train`). Loss, augmentation, no-decay rule, schedule and tokenizer are open_clip's own. Each validation
set is a tar of NAME.jpg + NAME.cls with NAME.classes.tsv beside it; the zero-shot prompt is "a photo of a {}". Writes
the loss, the seconds so far (validation left out) and the accuracies as JSON lines under diptych's names.
Needs torch and open_clip_torch.
"""

import argparse
import csv
import io
import json
import math
import re
import tarfile
import time
from pathlib import Path

import open_clip
import torch
from open_clip_train.scheduler import cosine_lr
from PIL import Image


def members(path):
    """(key, ending -> bytes) of each sample of a shard, in order."""
    with tarfile.open(path) as tar:
        key, sample = None, {}
        for info in tar:
            name, _, ending = info.name.partition(".")
            if name != key:
                if sample:
                    yield sample
                key, sample = name, {}
            sample[ending] = tar.extractfile(info).read()
        if sample:
            yield sample


def pairs(paths):
    while True:
        for path in paths:
            for sample in members(path):
                yield sample["jpg"], sample["txt"].decode().strip()


def read_picture(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def read_labelled(path, transform):
    table = Path(re.sub(r"-(test|val|train)-\d+\.tar$", ".classes.tsv", str(path)))
    names = [row["name"] for row in csv.DictReader(open(table, encoding="utf-8"), delimiter="\t")]
    pictures, labels = [], []
    for sample in members(path):
        pictures.append(transform(read_picture(sample["jpg"] if "jpg" in sample else sample["png"])))
        labels.append(int(sample["cls"]))
    return names, torch.stack(pictures), torch.tensor(labels)


@torch.no_grad()
def top1(model, tokenizer, names, pictures, labels):
    model.eval()
    texts = torch.cat([model.encode_text(tokenizer([f"a photo of a {name}" for name in part]), normalize=True)
                       for part in (names[i:i + 64] for i in range(0, len(names), 64))])
    right = sum(int((model.encode_image(part, normalize=True) @ texts.T).argmax(1).eq(answer).sum())
                for part, answer in zip(pictures.split(128), labels.split(128)))
    model.train()
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--val", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=40)
    parser.add_argument("--val-every", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-crops", action="store_true", help="pictures as in inference: nothing is random then")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    model, to_train, to_test = open_clip.create_model_and_transforms(f"local-dir:{options.first}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{options.first}")
    if options.no_crops:
        to_train = to_test
    model.train()
    plain, decayed = [], []
    for name, parameter in model.named_parameters():
        no_decay = parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
        (plain if no_decay else decayed).append(parameter)
    optimizer = torch.optim.AdamW([{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": 0.2}],
                                  lr=options.lr, betas=(0.9, 0.98), eps=1e-6)
    schedule = cosine_lr(optimizer, options.lr, options.warmup, options.steps)
    loss_of = open_clip.ClipLoss()
    held_out = {re.sub(r"[-\d]+$", "", path.stem): read_labelled(path, to_test) for path in options.val}

    data = pairs(sorted(options.train))
    seconds = 0.0
    with open(options.out, "w", encoding="utf-8") as log:
        def write(step, **metrics):
            log.write(json.dumps({"step": step, **metrics}) + "\n")
            log.flush()

        for step in range(options.steps):
            start = time.perf_counter()
            batch = [next(data) for _ in range(options.batch)]
            pictures = torch.stack([to_train(read_picture(jpeg)) for jpeg, _ in batch])
            texts = tokenizer([text for _, text in batch])
            schedule(step)
            optimizer.zero_grad()
            image_features, text_features, scale = model(pictures, texts)[:3]
            loss = loss_of(image_features, text_features, scale)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            seconds += time.perf_counter() - start
            write(step + 1, loss=loss.item(), seconds=seconds)
            if (step + 1) % options.val_every == 0 or step + 1 == options.steps:
                write(step + 1, **{f"val/top1/{name}": top1(model, tokenizer, *rest)
                                   for name, rest in held_out.items()})


if __name__ == "__main__":
    main()
