#!/usr/bin/env python3
"""Tiny ImageNet's training pictures as webdataset shards with templated captions.

    make_shards.py FOLDER OUT [--shards 10] [--seed 0]

FOLDER is tiny-imagenet-200 (train/, words.txt). Samples are shuffled once, so that a reader in file order sees a random
order, the same one for every program that is compared. Pictures stay as they are (64x64 JPEG).
"""

import argparse
import io
import random
import tarfile
from pathlib import Path

TEMPLATES = ("a photo of a {}", "a {}", "a picture of a {}", "a small photo of a {}", "a close-up of a {}")


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    words = dict(line.rstrip("\n").split("\t", 1) for line in open(arguments.folder / "words.txt", encoding="utf-8"))
    samples = sorted((arguments.folder / "train").glob("*/images/*.JPEG"))
    rng = random.Random(arguments.seed)
    rng.shuffle(samples)
    arguments.out.mkdir(parents=True, exist_ok=True)
    per_shard = -(-len(samples) // arguments.shards)
    for shard in range(arguments.shards):
        with tarfile.open(arguments.out / f"tiny-{shard:06d}.tar", "w") as tar:
            for index in range(shard * per_shard, min((shard + 1) * per_shard, len(samples))):
                path = samples[index]
                name = words[path.parent.parent.name].split(",")[0].strip()
                add(tar, f"{index:06d}.jpg", path.read_bytes())
                add(tar, f"{index:06d}.txt", rng.choice(TEMPLATES).format(name).encode())


if __name__ == "__main__":
    main()
