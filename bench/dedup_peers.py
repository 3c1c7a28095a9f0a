"""Copies among 10,000 pictures: `diptych dedup --tier near` beside imagededup's hashes, in time, precision and recall.

Run in an environment with imagededup and Pillow:
    python bench/dedup_peers.py build/diptych --archives FREE.tar... --work FOLDER [--rounds 3] [--only NAME]
The pictures are made once in the work folder: 8,000 of the archives as they are, and of 400 of them five copies each:
half the size, JPEG quality 25, grey, brighter by 30 %, 2 % cut off each edge. All pairs within such a six are true.
Pairs of two pictures as they were are not counted at all: the archives hold burst shots that nobody has labelled.

imagededup runs as its manual has it: encode_images, then find_duplicates with its own threshold (10 bits), as many
processes as there are processors. Its CNN needs weights that come from a server, and is left out. Each engine is a
process of its own, import and start included; they take turns.
"""
import argparse
import collections
import io
import itertools
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tarfile
import time

import records

ORIGINALS, CHOSEN = 8000, 400
METHODS = ("PHash", "DHash", "AHash", "WHash")
PEER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from imagededup import methods
method = getattr(methods, sys.argv[1])(verbose=False)
found = method.find_duplicates(encoding_map=method.encode_images(image_dir=sys.argv[2]))
json.dump(found, sys.stdout)
"""


def copies(picture):
    from PIL import Image, ImageEnhance, ImageOps

    width, height = picture.size
    yield "half", picture.resize((width // 2, height // 2), Image.LANCZOS), 90
    yield "q25", picture, 25
    yield "grey", ImageOps.grayscale(picture), 90
    yield "bright", ImageEnhance.Brightness(picture).enhance(1.3), 90
    x, y = width // 50 + 1, height // 50 + 1
    yield "cut", picture.crop((x, y, width - x, height - y)), 90


def make(archives, folder):
    from PIL import Image

    folder.mkdir(parents=True)
    names = []
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar:
                if len(names) < ORIGINALS and member.name.endswith((".jpg", ".jpeg", ".png")):
                    names.append(folder / f"{len(names):05d}{pathlib.Path(member.name).suffix}")
                    names[-1].write_bytes(tar.extractfile(member).read())
    for name in random.Random(3).sample(names, CHOSEN):
        for kind, copy, quality in copies(Image.open(io.BytesIO(name.read_bytes())).convert("RGB")):
            copy.save(folder / f"{name.stem}-{kind}.jpg", quality=quality)


def six(name):
    return name.split("-")[0].split(".")[0]


def truth_of(folder):
    members = collections.defaultdict(list)
    for path in folder.iterdir():
        members[six(path.name)].append(path.name)
    return {frozenset(pair) for group in members.values() for pair in itertools.combinations(group, 2)}


def score(pairs, truth):
    labelled = {pair for pair in pairs if any("-" in name for name in pair)}
    hits = len(labelled & truth)
    by_kind = collections.Counter(name.split("-")[1].split(".")[0] for pair in labelled & truth for name in pair
                                  if "-" in name and any("-" not in other for other in pair))
    return {"precision": round(hits / len(labelled), 4), "recall": round(hits / len(truth), 4),
            "copies_found": {kind: round(n / CHOSEN, 3) for kind, n in sorted(by_kind.items())},
            "unlabelled_pairs": len(pairs) - len(labelled)}


def diptych(program, folder):
    out = subprocess.run([program, "dedup", str(folder), "--tier", "near", "--format", "json", "--progress", "none"],
                         check=True, capture_output=True, text=True).stdout
    groups = collections.defaultdict(list)
    for row in map(json.loads, out.splitlines()):
        groups[row["group"]].append(pathlib.Path(row["path"]).name)
    return {frozenset(pair) for group in groups.values() for pair in itertools.combinations(group, 2)}


def imagededup(method, folder):
    out = subprocess.run([sys.executable, "-c", PEER, method, str(folder)], check=True, capture_output=True,
                         text=True).stdout
    return {frozenset((name, other)) for name, others in json.loads(out).items() for other in others}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--archives", nargs="+", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="one engine: diptych, or a method of imagededup")
    parser.add_argument("--record", action="store_true", help="adds the ratio to bench/records.jsonl")
    args = parser.parse_args()
    folder = args.work / "pictures"
    if not folder.exists():
        make(args.archives, folder)
    truth = truth_of(folder)
    engines = {"diptych": lambda: diptych(args.program, folder)}
    engines |= {method: lambda method=method: imagededup(method, folder) for method in METHODS}
    if args.only:
        engines = {args.only: engines[args.only]}
    seconds, found = collections.defaultdict(list), {}
    for _ in range(args.rounds):
        for name, engine in engines.items():
            start = time.perf_counter()
            found[name] = engine()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, pairs in found.items():
        print(json.dumps({"engine": name, "seconds": round(medians[name], 2), **score(pairs, truth)}), flush=True)
    if args.record and not args.only:
        best = min(value for name, value in medians.items() if name != "diptych")
        records.append(f"dedup_peers.py --rounds {args.rounds}", {"dedup near / imagededup": best / medians["diptych"]})


if __name__ == "__main__":
    main()
