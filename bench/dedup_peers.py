"""Copies among 10,000 pictures: `diptych dedup --tier near` beside imagededup's hashes, in time, precision and recall.

Run in an environment with imagededup and Pillow:
    python bench/dedup_peers.py build/diptych --archives FREE.tar... --work FOLDER [--rounds 3] [--only NAME]
        [--cnn] [--pictures 0] [--record]
The pictures are made once in the work folder: 8,000 of the archives as they are, and of 400 of them five copies each:
half the size, JPEG quality 25, grey, brighter by 30 %, 2 % cut off each edge. All pairs within such a six are true.
Pairs of two pictures as they were are not counted at all: the archives hold burst shots that nobody has labelled.

imagededup runs as its manual has it: encode_images, then find_duplicates with its own threshold (10 bits, or a cosine
of 0.9), as many processes as there are processors. Each engine is a process of its own, import and start included; they
take turns. --cnn compares what computes embeddings: imagededup's CNN (MobileNetV3) beside `diptych dedup` with all its
tiers, `index` included. The CNN's weights come from a server; here they are random ones, so that its seconds mean
something and its precision and recall do not (both are printed). --pictures takes some of them, for engines that are
slow.
"""
import argparse
import collections
import io
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import time

import records
from measuring import in_turn, medians

ORIGINALS, CHOSEN = 8000, 400
METHODS = ("PHash", "DHash", "AHash", "WHash")
PEER = """
import json, logging, sys, warnings
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
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


def pictures(archives, work, count=0):
    """A folder of all pictures, or of so many of them, which is made where it is missing."""
    everything, some = work / "pictures", work / f"some-{count}"
    if not everything.exists():
        make(archives, everything)
    if not count:
        return everything
    if not some.exists():
        some.mkdir()
        for path in random.Random(5).sample(sorted(everything.iterdir()), count):
            os.link(path, some / path.name)
    return some


def make_cnn(home, some):
    """A MobileNetV3 of random weights where torchvision looks for the downloaded one. Its batch norms are set to what
    these pictures give them, as training would: else all pictures are alike to it, and every pair is found."""
    import torch
    from imagededup.utils.models import MobilenetV3
    from PIL import Image
    from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small

    torch.manual_seed(0)
    model = mobilenet_v3_small().train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(torch.stack([MobilenetV3.transform(Image.open(path).convert("RGB")) for path in some]))
    file = home / "hub/checkpoints" / MobileNet_V3_Small_Weights.IMAGENET1K_V1.url.split("/")[-1]
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), file)


def six(name):
    return name.split("-")[0].split(".")[0]


def truth_of(paths):
    members = collections.defaultdict(list)
    for path in paths:
        members[six(path.name)].append(path.name)
    return {frozenset(pair) for group in members.values() for pair in itertools.combinations(group, 2)}


def score(pairs, truth):
    labelled = {pair for pair in pairs if any("-" in name for name in pair)}
    hits = len(labelled & truth)
    by_kind = collections.Counter(name.split("-")[1].split(".")[0] for pair in labelled & truth for name in pair
                                  if "-" in name and any("-" not in other for other in pair))
    return {"precision": round(hits / max(1, len(labelled)), 4), "recall": round(hits / max(1, len(truth)), 4),
            "copies_found": {kind: round(n / CHOSEN, 3) for kind, n in sorted(by_kind.items())},
            "unlabelled_pairs": len(pairs) - len(labelled)}


def diptych(program, folder, tier):
    out = subprocess.run([program, "dedup", str(folder), "--tier", tier, "--format", "json", "--progress", "none"],
                         check=True, capture_output=True, text=True).stdout
    groups = collections.defaultdict(list)
    for row in map(json.loads, out.splitlines()):
        groups[row["group"]].append(pathlib.Path(row["path"]).name)
    return {frozenset(pair) for group in groups.values() for pair in itertools.combinations(group, 2)}


def imagededup(method, folder, torch_home):
    out = subprocess.run([sys.executable, "-c", PEER, method, str(folder)], check=True, capture_output=True,
                         text=True, env={**os.environ, "TORCH_HOME": str(torch_home)}).stdout
    return {frozenset((name, other)) for name, others in json.loads(out).items() for other in others}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--archives", nargs="+", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="one engine: diptych, or a method of imagededup")
    parser.add_argument("--pictures", type=int, default=0, help="so many of them; 0: all")
    parser.add_argument("--cnn", action="store_true", help="embeddings instead of hashes: all tiers beside the CNN")
    records.option(parser)
    args = parser.parse_args()
    folder, torch_home = pictures(args.archives, args.work, args.pictures), args.work / "torch"
    paths = sorted(folder.iterdir())
    if args.cnn and not torch_home.exists():
        make_cnn(torch_home, paths[::len(paths) // 64])
    tier, methods = ("semantic", ("CNN",)) if args.cnn else ("near", METHODS)

    def timed(call):
        start = time.perf_counter()
        found = call()
        return time.perf_counter() - start, found

    engines = {"diptych": lambda: timed(lambda: diptych(args.program, folder, tier))}
    engines |= {name: lambda name=name: timed(lambda: imagededup(name, folder, torch_home)) for name in methods}
    if args.only:
        engines = {args.only: engines[args.only]}
    results, truth = in_turn(engines, args.rounds), truth_of(paths)
    seconds = medians({name: [took for took, _ in runs] for name, runs in results.items()})
    for name, runs in results.items():
        print(json.dumps({"engine": name, "seconds": round(seconds[name], 2), **score(runs[-1][1], truth)}), flush=True)
    best = min((took for name, took in seconds.items() if name != "diptych"), default=0)
    if best and "diptych" in seconds:
        records.keep(args, {f"dedup {tier} / imagededup": best / seconds["diptych"]}, "rounds", "pictures")


if __name__ == "__main__":
    main()
