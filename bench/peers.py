"""diptych beside PyTorch (transformers), ONNX Runtime and OpenVINO: ViT-B/32, fp32, random weights, one sitting.

Run in an environment with torch, transformers, onnx, onnxscript, onnxruntime, openvino:
    python bench/peers.py build/diptych [--threads 2] [--rounds 3] [--seconds 3] [--out bench/RESULTS.md]
Each engine runs in a process of its own, the engines in turn, several rounds: a machine whose speed drifts hurts all
alike. Every figure is the median of its rounds; "of peak" divides the nominal FLOPs (8.82 G a picture, 2 x
multiply-adds of all matrix products) by the matrix-product peak that `diptych bench` measured in the same sitting.
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CASES = ("image_1", "image_32", "text_77", "text_10")
FLOPS = {"image": 8.82e9}
ENGINES = ("diptych", "pytorch", "onnxruntime", "openvino")


def best_rate(call, items, seconds):
    """Items a second: the best of the calls that fit into the time, after two to warm up."""
    call(), call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return items / best


def make_model(folder):
    import torch
    from transformers import CLIPConfig, CLIPModel
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
    from full_size_parity import transformers_model

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    transformers_model(folder, {}, {"eos_token_id": 2}, 512)
    model = CLIPModel.from_pretrained(folder).eval()
    assert isinstance(model.config, CLIPConfig)

    class Image(torch.nn.Module):
        def forward(self, pixels):
            return model.visual_projection(model.vision_model(pixels).pooler_output)

    class Text(torch.nn.Module):
        def forward(self, ids):
            return model.text_projection(model.text_model(ids).pooler_output)

    batch = torch.export.Dim("batch", min=1, max=64)
    for name, module, example in (("image", Image(), torch.zeros(2, 3, 224, 224)),
                                  ("text_77", Text(), torch.full((2, 77), 7)),
                                  ("text_10", Text(), torch.full((2, 10), 7))):
        module.model = model
        torch.onnx.export(module.eval(), (example,), str(folder / f"{name}.onnx"), dynamic_shapes=({0: batch},),
                          dynamo=True, verbose=False)


def inputs(case):
    import numpy as np

    kind, size = case.split("_")
    rng = np.random.default_rng(0)
    if kind == "image":
        return rng.standard_normal((int(size), 3, 224, 224), dtype=np.float32)
    ids = rng.integers(1000, 40000, (32, int(size)), dtype=np.int64)
    ids[:, 0], ids[:, -1] = 49406, 49407
    return ids


def run_diptych(program, folder, args):
    out = {}
    for batch in (1, 32):
        line = subprocess.run([program, "bench", "--model", folder, "--batch", str(batch), "--threads",
                               str(args.threads), "--seconds", str(args.seconds), "--format", "json"],
                              check=True, capture_output=True, text=True).stdout
        record = json.loads(line)
        out[f"image_{batch}"] = record["images_per_s"]
        out["text_10"], out["text_77"] = record["texts_per_s"], record["full_texts_per_s"]
        out["peak_gflops"] = max(out.get("peak_gflops", 0), record["matmul_peak_gflops"])
        out["peaks"] = record["matmul_peaks_gflops"]
    return out


def run_engine(engine, folder, args):
    out = {}
    if engine == "pytorch":
        import torch
        from transformers import CLIPModel

        torch.set_num_threads(args.threads)
        model = CLIPModel.from_pretrained(folder).eval()
        for case in CASES:
            x = torch.from_numpy(inputs(case))
            call = model.get_image_features if case.startswith("image") else model.get_text_features
            with torch.inference_mode():
                out[case] = best_rate(lambda: call(x), len(x), args.seconds)
        return out
    for case in CASES:
        x, name = inputs(case), "image" if case.startswith("image") else case
        path = str(pathlib.Path(folder) / f"{name}.onnx")
        if engine == "onnxruntime":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = args.threads
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            feed = {session.get_inputs()[0].name: x}
            out[case] = best_rate(lambda: session.run(None, feed), len(x), args.seconds)
        else:
            import openvino

            core = openvino.Core()
            model = core.read_model(path)
            model.reshape({0: list(x.shape)})  # static shapes are its fastest
            hints = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
                     "INFERENCE_PRECISION_HINT": "f32"}
            request = core.compile_model(model, "CPU", hints).create_infer_request()
            out[case] = best_rate(lambda: request.infer({0: x}), len(x), args.seconds)
    return out


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown"


def report(results, args):
    versions = {name: __import__(name).__version__ for name in ("torch", "transformers", "onnxruntime", "openvino")}
    peak = statistics.median(r["peak_gflops"] for r in results["diptych"])
    median = {e: {c: statistics.median(r[c] for r in results[e]) for c in CASES} for e in ENGINES}
    peaks = ", ".join(f"{k} {v:.0f}" for k, v in results["diptych"][0]["peaks"].items())
    lines = [f"## {datetime.date.today()}: ViT-B/32, fp32, {args.threads} threads, {cpu_name()}", "",
             f"`python bench/peers.py build/diptych --threads {args.threads} --rounds {args.rounds} --seconds "
             f"{args.seconds}`; " + ", ".join(f"{k} {v}" for k, v in versions.items())
             + ". Matrix-product peak (GFLOP/s): "
             f"{peaks}.", "",
             "| engine | pictures/s, batch 1 | pictures/s, batch 32 | of peak, batch 32"
             " | texts/s of 77 tokens | texts/s of 10 tokens |",
             "|---|---|---|---|---|---|"]
    for e in ENGINES:
        m = median[e]
        share = m["image_32"] * FLOPS["image"] / peak / 1e9
        lines.append(f"| {e} | {m['image_1']:.1f} | {m['image_32']:.1f} | {share:.2f} | {m['text_77']:.1f} | "
                     f"{m['text_10']:.1f} |")
    best = {c: max(median[e][c] for e in ENGINES[1:]) for c in CASES}
    m = median["diptych"]
    lines.append(f"| diptych / best peer | {m['image_1'] / best['image_1']:.2f} | "
                 f"{m['image_32'] / best['image_32']:.2f} "
                 f"| | {m['text_77'] / best['text_77']:.2f} | {m['text_10'] / best['text_10']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--out")
    parser.add_argument("--engine")
    parser.add_argument("--folder")
    args = parser.parse_args()
    if args.engine:
        run = run_engine(args.engine, args.folder, args)
        return print(json.dumps(run))
    results = {e: [] for e in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        make_model(pathlib.Path(folder))
        for _ in range(args.rounds):
            for engine in ENGINES:
                if engine == "diptych":
                    results[engine].append(run_diptych(args.program, folder, args))
                    continue
                line = subprocess.run([sys.executable, __file__, "--engine", engine, "--folder", folder, "--threads",
                                       str(args.threads), "--seconds", str(args.seconds)],
                                      check=True, capture_output=True, text=True).stdout.splitlines()[-1]
                results[engine].append(json.loads(line))
    text = report(results, args)
    print(text)
    if args.out:
        with open(args.out, "a") as out:
            out.write("\n" + text)


if __name__ == "__main__":
    main()
