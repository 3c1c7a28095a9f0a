"""Embeddings of random crops of real pictures, as many as wanted: real vectors for `search_peers.py --real`.

    PYTHONPATH=build/python python bench/crop_embeddings.py OUT.npy ARCHIVE.tar... [--rows 1000000] [--precision int8]

Every picture of the archives (webdataset's layout) gives the same number of crops, each a box of 0.1 to 1 of its area
and a ratio of sides of 3/4 to 4/3, as training draws them. OUT.npy is float16 (rows, E). Needs numpy and Pillow.
"""
import argparse
import concurrent.futures
import io
import itertools
import math
import pathlib
import sys
import tarfile

import numpy as np
import PIL.Image

import diptych

BATCH = 512
AREA, RATIO = (0.1, 1.0), (3 / 4, 4 / 3)


def members(archives):
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.lower().endswith((".jpg", ".jpeg", ".png", ".webp")):
                    yield tar.extractfile(member).read()


def crops(picture, count, rng):
    """count boxes (h, w, 3) uint8 of a picture."""
    height, width = picture.shape[:2]
    for _ in range(count):
        area = height * width * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(*np.log(RATIO)))
        w = min(width, max(8, round(math.sqrt(area * ratio))))
        h = min(height, max(8, round(math.sqrt(area / ratio))))
        y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        yield np.ascontiguousarray(picture[y : y + h, x : x + w])


def crops_of_all(archives, rows, rng):
    pictures = sum(1 for _ in members(archives))
    for i, data in enumerate(members(archives)):
        picture = np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))
        yield from crops(picture, rows * (i + 1) // pictures - rows * i // pictures, rng)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("archives", nargs="+")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = diptych.load(args.model, precision=args.precision, threads=args.threads)
    wanted = crops_of_all(args.archives, args.rows, np.random.default_rng(args.seed))
    out, done = None, 0
    # The next crops are cut while the model embeds.
    with concurrent.futures.ThreadPoolExecutor(1) as embedder:
        embedded = None
        while True:
            batch = list(itertools.islice(wanted, BATCH))
            if embedded:
                rows = embedded.result()
                if out is None:
                    out = np.lib.format.open_memmap(args.out, "w+", np.float16, (args.rows, rows.shape[1]))
                out[done : done + len(rows)] = rows
                done += len(rows)
                print(f"\r{done:,} of {args.rows:,}", end="", file=sys.stderr, flush=True)
            if not batch:
                break
            embedded = embedder.submit(model.embed, batch)
    out.flush()
    print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
