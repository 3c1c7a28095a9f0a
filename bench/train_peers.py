"""A training step of ViT-B/32 in diptych beside PyTorch (transformers, AdamW): pairs a second and peak memory.

Run in an environment with torch, transformers and Pillow:
    python bench/train_peers.py build/diptych [--threads 2] [--steps 4] [--rounds 2] [--batch 32]
Random weights, captions of 12 tokens. PyTorch is measured as its users run it, texts padded to 77 tokens, and with
texts cut to 12 by hand; in fp32, and under bf16 autocast where --bf16 asks for it. Its pictures are ready tensors,
while diptych decodes and augments JPEGs within its figure. Engines take turns; each figure is the median over the
rounds' steps, the first step of a process left out. "Of peak" divides 3 x the forward FLOPs that 12 tokens need by
the matrix-product peak of the same precision that `diptych bench` measured just before; for diptych also without the
optimiser and the wait for data.
"""
import argparse
import io
import json
import pathlib
import statistics
import sys
import tarfile
import tempfile
import time

import records
from measuring import diptych_bench, measured, medians

IMAGE_FLOPS = 8.82e9       # of a picture, forward
TEXT_FLOPS = 5.9e9 / 77    # of a token, forward
TOKENS = 12
CAPTION = "a photo of a small red house by the sea"  # 10 words, a token each


def write_shard(folder, count):
    import numpy
    from PIL import Image

    rng = numpy.random.default_rng(0)
    path = folder / "pairs-000000.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(count):
            smooth = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=numpy.uint8))
            picture = io.BytesIO()
            smooth.resize((320, 240), Image.BICUBIC).save(picture, "JPEG", quality=90)
            for ending, data in (("jpg", picture.getvalue()), ("txt", CAPTION.encode())):
                info = tarfile.TarInfo(f"{i:06d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def run_diptych(options, shard, precision, gradient_rates):
    with tempfile.TemporaryDirectory() as out:
        text, _, memory = measured([options.program, "train", "--train-data", shard, "--out", out, "--format", "json",
                                    "--image-tower", "ViT-B-32", "--text-tower", "ViT-B-32", "--batch", options.batch,
                                    "--steps", options.steps, "--threads", options.threads, "--warmup", 2,
                                    "--precision", precision])
    steps = [json.loads(line) for line in text.splitlines() if line.startswith("{")][1:]
    gradient_rates[precision] += [options.batch / step["gradient_s"] for step in steps]
    return [step["pairs_per_s"] for step in steps], memory


def run_pytorch(options, tokens, precision):
    text, _, memory = measured([sys.executable, __file__, options.program, "--child", f"{tokens},{precision}",
                                "--batch", options.batch, "--steps", options.steps, "--threads", options.threads])
    return [float(line) for line in text.splitlines()][1:], memory


def child(options):
    """Prints the pairs a second of each step."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tokens, precision = options.child.split(",")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig()).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2)
    pixels = torch.randn(options.batch, 3, 224, 224)
    ids = torch.randint(1000, 40000, (options.batch, int(tokens)))
    ids[:, 0] = 49406
    ids[:, TOKENS - 1:] = 49407
    for _ in range(options.steps):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=ids, attention_mask=(torch.arange(int(tokens)) < TOKENS).expand_as(ids).long(),
                         pixel_values=pixels, return_loss=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(options.batch / (time.perf_counter() - start), flush=True)


def matmul_peaks(options):
    """{precision: FLOP/s}"""
    result = diptych_bench(options.program, seconds=0.5)
    return {"fp32": result["matmul_peak_gflops"] * 1e9} | {
        name: value * 1e9 for name, value in dict(result["matmul_peaks_gflops"]).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    records.option(parser)
    options = parser.parse_args()
    if options.child:
        return child(options)

    cases = {"diptych fp32": lambda shard: run_diptych(options, shard, "fp32", gradient_rates),
             "PyTorch fp32, 77 tokens": lambda shard: run_pytorch(options, 77, "fp32"),
             "PyTorch fp32, 12 tokens": lambda shard: run_pytorch(options, TOKENS, "fp32")}
    if options.bf16:
        cases["diptych bf16"] = lambda shard: run_diptych(options, shard, "bf16", gradient_rates)
        cases["PyTorch bf16 autocast, 77 tokens"] = lambda shard: run_pytorch(options, 77, "bf16")
    rates, memory, peaks = {name: [] for name in cases}, {}, []
    gradient_rates = {name: [] for name in ("fp32", "bf16")}
    with tempfile.TemporaryDirectory() as folder:
        shard = write_shard(pathlib.Path(folder), 2 * options.batch)
        for _ in range(options.rounds):
            for name, run in cases.items():
                if name.startswith("diptych"):
                    peaks.append(matmul_peaks(options))
                steps, memory[name] = run(shard)
                rates[name] += steps
                print(f"{name}: {steps}, {memory[name]:.2f} GB", file=sys.stderr)
    peak = {name: statistics.median(some[name] for some in peaks) for name in peaks[0]}
    needed = 3 * (IMAGE_FLOPS + TOKENS * TEXT_FLOPS)
    print(f"ViT-B/32, batch {options.batch}, {options.threads} threads, {records.cpu_name()}; matmul peak in GFLOP/s: "
          + ", ".join(f"{name} {value / 1e9:.0f}" for name, value in peak.items()) + "\n")
    print("| engine | pairs/s | of its precision's peak | forward and backward alone, of peak | peak memory, GB |")
    print("|---|---|---|---|---|")
    median = medians(rates)
    for name, rate in median.items():
        precision = "bf16" if "bf16" in name else "fp32"
        limit = peak.get(precision, peak["fp32"])
        alone = f"{statistics.median(gradient_rates[precision]) * needed / limit:.2f}" if "diptych" in name else ""
        print(f"| {name} | {rate:.2f} | {rate * needed / limit:.2f} | {alone} | {memory[name]:.2f} |")
    records.keep(options, {f"training of {options.batch}, diptych {precision} / {name}":
                           median[f"diptych {precision}"] / rate for name, rate in median.items()
                           for precision in ("fp32", "bf16") if name.startswith(f"PyTorch {precision}")},
                 "threads", "steps", "rounds", "batch")


if __name__ == "__main__":
    main()
