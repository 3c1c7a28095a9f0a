"""A folder of JPEGs to embeddings on disk: `diptych embed` beside the transformers pipeline with a DataLoader.

Run in an environment with torch, transformers, Pillow:
    python bench/folder_peers.py build/diptych --model FOLDER --pictures FOLDER [--threads 2] [--rounds 1] [--record]
diptych's whole process is timed, then that of a run over one picture is taken off (start, load and packing), so that
the rate is that of a long run; the peer's is timed from a loaded, warm model. "Allowed" is what decode and inference
cost when each is measured alone (`diptych bench --images`): 1 / (1 / decode_per_s + 1 / images_per_s).
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import records
from measuring import diptych_bench, medians, seconds_of

PRECISIONS = ("fp32", "auto")


def seconds(command):
    return seconds_of(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def diptych_rate(args, precision, paths, scratch):
    embed = [args.program, "embed", "--model", args.model, "--precision", precision, "--threads", str(args.threads),
             "--progress", "none", "--out", f"{scratch}/out.npy"]
    one = seconds([*embed, paths[0]])
    return (len(paths) - 1) / (seconds([*embed, *paths]) - one)


def diptych_alone(args, precision):
    return diptych_bench(args.program, model=args.model, precision=precision, threads=args.threads, batch=16,
                         seconds=0.7, images=args.pictures)


def peer_rate(args, precision, paths, scratch):
    """Pictures a second of transformers: a DataLoader's processes decode and preprocess beside the model."""
    import numpy as np
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPModel

    model = CLIPModel.from_pretrained(args.model).eval().to({"fp32": torch.float32, "bf16": torch.bfloat16}[precision])
    processor = CLIPImageProcessor.from_pretrained(args.model)
    torch.set_num_threads(args.threads)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, i):
            return processor(Image.open(paths[i]).convert("RGB"), return_tensors="pt")["pixel_values"][0]

    with torch.inference_mode():
        model.get_image_features(torch.zeros(32, 3, 224, 224, dtype=model.dtype))
        start = time.perf_counter()
        rows = []
        for batch in torch.utils.data.DataLoader(Pictures(), batch_size=32, num_workers=args.workers):
            out = model.get_image_features(batch.to(model.dtype))
            rows.append(getattr(out, "pooler_output", out).float().numpy())
        np.save(f"{scratch}/peer.npy", np.concatenate(rows))
        return len(paths) / (time.perf_counter() - start)


def run(args, paths, scratch):
    rates, peers, alone = {p: [] for p in PRECISIONS}, {p: [] for p in ("fp32", "bf16")}, {}
    for precision in PRECISIONS:
        alone[precision] = diptych_alone(args, precision)
    for _ in range(args.rounds):
        for precision in PRECISIONS:
            rates[precision].append(diptych_rate(args, precision, paths, scratch))
            print(f"diptych {precision} {rates[precision][-1]:.1f} pictures/s", file=sys.stderr)
        for precision in peers:
            peers[precision].append(peer_rate(args, precision, paths, scratch))
            print(f"transformers {precision} {peers[precision][-1]:.1f} pictures/s", file=sys.stderr)
    return medians(rates), medians(peers), alone


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    records.option(parser)
    args = parser.parse_args()
    paths = sorted(str(path) for path in pathlib.Path(args.pictures).glob("*.jpg"))
    if len(paths) < 2:
        sys.exit(f"{args.pictures} holds fewer than two .jpg files")
    with tempfile.TemporaryDirectory() as scratch:
        rates, peers, alone = run(args, paths, scratch)
    best, ratios = max(peers.values()), {}
    for precision, rate in rates.items():
        decode, images = alone[precision]["decode_per_s"], alone[precision]["images_per_s"]
        allowed = 1 / (1 / decode + 1 / images)
        print(f"diptych {precision} ({alone[precision]['precision']}): {rate:.1f} pictures/s; alone: decode "
              f"{decode:.0f}, inference {images:.1f}, allowed {allowed:.1f}, reached {rate / allowed:.2f}; "
              f"{rate / best:.2f} of the best peer")
        ratios |= {f"folder {precision} / transformers": rate / best, f"folder {precision} / allowed": rate / allowed}
    print(", ".join(f"transformers {p} {rate:.1f} pictures/s" for p, rate in peers.items()))
    records.keep(args, ratios, "threads", "rounds")


if __name__ == "__main__":
    main()
