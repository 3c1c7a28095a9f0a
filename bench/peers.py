"""diptych beside PyTorch (transformers), ONNX Runtime and OpenVINO: ViT-B/32, random weights, one sitting.

Run in an environment with torch, transformers, onnx, onnxscript, onnxruntime, openvino, nncf:
    python bench/peers.py build/diptych [--threads 2] [--rounds 3] [--seconds 3] [--out bench/RESULTS.md]
In fp32, bf16 (PyTorch's module in bf16, OpenVINO's hint) and int8 (ONNX Runtime's dynamic quantisation, NNCF's static
one for OpenVINO, calibrated on noise: of the image tower alone); and diptych's `auto`.
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
from functools import partial

import records
from measuring import best_rate, diptych_bench

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

CASES = ("image_1", "image_32", "text_77", "text_10")
FLOPS = {"image": 8.82e9}
ENGINES = {"fp32": ("diptych", "pytorch", "onnxruntime", "openvino"), "bf16": ("diptych", "pytorch", "openvino"),
           "int8": ("diptych", "onnxruntime", "openvino")}
AUTO = ("auto", "diptych")  # the precision that diptych chooses, beside the fastest mode of the fastest peer
MODES = [(precision, engine) for precision, engines in ENGINES.items() for engine in engines] + [AUTO]


def make_model(folder):
    import torch
    from random_checkpoint import save_transformers

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    model, _, _ = save_transformers(folder, {}, {"eos_token_id": 2}, 512)

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
    quantize(folder)


def quantize(folder):
    """image_ort_int8.onnx and image_ov_int8.xml beside image.onnx."""
    import nncf
    import numpy as np
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(folder / "image.onnx", folder / "image_ort_int8.onnx", weight_type=QuantType.QInt8)
    rng = np.random.default_rng(1)
    samples = nncf.Dataset([rng.standard_normal((1, 3, 224, 224), dtype=np.float32) for _ in range(16)])
    model = openvino.Core().read_model(folder / "image.onnx")
    openvino.save_model(nncf.quantize(model, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=16),
                        folder / "image_ov_int8.xml")


def inputs(case):
    import numpy as np

    kind, size = case.split("_")
    rng = np.random.default_rng(0)
    if kind == "image":
        return rng.standard_normal((int(size), 3, 224, 224), dtype=np.float32)
    ids = rng.integers(1000, 40000, (32, int(size)), dtype=np.int64)
    ids[:, 0], ids[:, -1] = 49406, 49407
    return ids


def run_diptych(precision, folder, args):
    out = {}
    for batch in (1, 32):
        record = diptych_bench(args.program, model=folder, batch=batch, threads=args.threads, seconds=args.seconds,
                               precision=precision)
        out[f"image_{batch}"] = record["images_per_s"]
        out["text_10"], out["text_77"] = record["texts_per_s"], record["full_texts_per_s"]
        out["peaks"] = record["matmul_peaks_gflops"]
    return out


def run_pytorch(precision, folder, args):
    import torch
    from transformers import CLIPModel

    torch.set_num_threads(args.threads)
    model = CLIPModel.from_pretrained(folder).eval()
    model = model.to(torch.bfloat16) if precision == "bf16" else model
    out = {}
    for case in CASES:
        x = torch.from_numpy(inputs(case))
        image = case.startswith("image")
        x = x.to(torch.bfloat16) if image and precision == "bf16" else x
        call = model.get_image_features if image else model.get_text_features
        with torch.inference_mode():
            out[case] = best_rate(lambda: call(x), len(x), args.seconds)
    return out


def onnxruntime_call(precision, folder, args, case, x):
    import onnxruntime

    name = {"fp32": "image", "int8": "image_ort_int8"}[precision] if case.startswith("image") else case
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feed)


def openvino_model(path, precision, threads, x):
    """-> a call that answers x"""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({0: list(x.shape)})  # static shapes are its fastest
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
             "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16"}
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer({0: x})


def openvino_call(precision, folder, args, case, x):
    name = "image" if case.startswith("image") else case
    return openvino_model(f"{folder}/image_ov_int8.xml" if precision == "int8" else f"{folder}/{name}.onnx", precision,
                          args.threads, x)


def run_calls(start, precision, folder, args):
    out = {}
    for case in CASES:
        if precision != "int8" or case.startswith("image"):  # the text tower is not quantised
            x = inputs(case)
            out[case] = best_rate(start(precision, folder, args, case, x), len(x), args.seconds)
    return out


RUN = {"diptych": run_diptych, "pytorch": run_pytorch, "onnxruntime": partial(run_calls, onnxruntime_call),
       "openvino": partial(run_calls, openvino_call)}


def medians(precision, results):
    return {engine: {case: statistics.median(run[case] for run in results[precision, engine])
                     for case in CASES if case in results[precision, engine][0]} for engine in ENGINES[precision]}


def to_best_peer(median):
    """{case: diptych's rate divided by the best peer's}, of the cases that a peer ran."""
    peers = [row for engine, row in median.items() if engine != "diptych"]
    best = {case: max((row[case] for row in peers if case in row), default=None) for case in CASES}
    return {case: median["diptych"][case] / rate for case, rate in best.items() if rate}


def auto_to_best_peer(results):
    """{case: auto's rate divided by that of the fastest mode of the fastest peer}"""
    peers = {f"{engine} {precision}": row for precision in ENGINES
             for engine, row in medians(precision, results).items() if engine != "diptych"}
    own = {"diptych": {case: statistics.median(run[case] for run in results[AUTO]) for case in CASES}}
    return to_best_peer(own | peers), own["diptych"]


def table(precision, results, peak):
    median = medians(precision, results)
    lines = ["| engine | pictures/s, batch 1 | pictures/s, batch 32 | of peak, batch 32"
             " | texts/s of 77 tokens | texts/s of 10 tokens |", "|---|---|---|---|---|---|"]
    cell = lambda row, case: f"{row[case]:.1f}" if case in row else "-"  # noqa: E731
    for engine, row in median.items():
        share = row["image_32"] * FLOPS["image"] / peak / 1e9
        lines.append(f"| {engine} {precision} | {cell(row, 'image_1')} | {cell(row, 'image_32')} | {share:.2f} | "
                     f"{cell(row, 'text_77')} | {cell(row, 'text_10')} |")
    ratio = {case: f"{value:.2f}" for case, value in to_best_peer(median).items()}
    ratio = {case: ratio.get(case, "-") for case in CASES}
    lines.append(f"| diptych / best peer | {ratio['image_1']} | {ratio['image_32']} | | {ratio['text_77']} | "
                 f"{ratio['text_10']} |")
    return lines


def report(results, args):
    versions = {name: __import__(name).__version__
                for name in ("torch", "transformers", "onnxruntime", "openvino", "nncf")}
    runs = [run for (_, engine), all_runs in results.items() if engine == "diptych" for run in all_runs]
    peaks = {name: statistics.median(run["peaks"][name] for run in runs) for name in runs[0]["peaks"]}
    lines = [f"## {datetime.date.today()}: ViT-B/32, {args.threads} threads, {records.cpu_name()}", "",
             f"`python bench/peers.py build/diptych --threads {args.threads} --rounds {args.rounds} --seconds "
             f"{args.seconds}`; " + ", ".join(f"{k} {v}" for k, v in versions.items())
             + ". Matrix-product peak (GFLOP/s): " + ", ".join(f"{k} {v:.0f}" for k, v in peaks.items()) + ".", ""]
    for precision in ENGINES:
        if (precision, "diptych") in results:
            lines += table(precision, results, peaks.get(precision, peaks["fp32"])) + [""]
    ratio, own = auto_to_best_peer(results)
    lines += ["| | pictures/s, batch 1 | pictures/s, batch 32 | texts/s of 77 tokens | texts/s of 10 tokens |",
              "|---|---|---|---|---|"]
    for name, row, digits in (("diptych auto", own, 1), ("diptych auto / fastest mode of any peer", ratio, 2)):
        cells = [f"{row[case]:.{digits}f}" for case in ("image_1", "image_32", "text_77", "text_10")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--folder", help="keeps the models there, for a next time")
    parser.add_argument("--out")
    records.option(parser)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or scratch
        if args.mode:
            precision, engine = args.mode.split(",")
            return print(json.dumps(RUN[engine](precision, folder, args)))
        if not (pathlib.Path(folder) / "image_ov_int8.xml").exists():
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            make_model(pathlib.Path(folder))
        results = {mode: [] for mode in MODES}
        for _ in range(args.rounds):
            for precision, engine in MODES:
                line = subprocess.run([sys.executable, __file__, args.program, "--mode", f"{precision},{engine}",
                                       "--folder", folder, "--threads", str(args.threads), "--seconds",
                                       str(args.seconds)], check=True, capture_output=True, text=True)
                results[precision, engine].append(json.loads(line.stdout.splitlines()[-1]))
    text = report(results, args)
    print(text)
    if args.out:
        with open(args.out, "a", encoding="utf-8") as out:
            out.write("\n" + text)
    records.keep(args, {f"{case} {precision} / best peer": value for precision in ENGINES
                        for case, value in to_best_peer(medians(precision, results)).items()} |
                 {f"{case} auto / best mode of any peer": value
                  for case, value in auto_to_best_peer(results)[0].items()}, "threads", "rounds", "seconds")


if __name__ == "__main__":
    main()
