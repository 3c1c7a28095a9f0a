"""The starter's image tower (EfficientNet-Lite0) beside OpenVINO in each precision, batch 32, in turn.

Run in peers.py's environment with timm and safetensors:
    python bench/starter_peers.py build/diptych STARTER [--threads 2] [--rounds 2] [--seconds 2]
STARTER is the folder of the model. OpenVINO's int8 is NNCF's static quantisation, calibrated on noise.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import peers

BATCH = 32
PRECISIONS = ("fp32", "bf16", "int8")


def export(starter, folder):
    import nncf
    import numpy as np
    import openvino
    import timm
    import torch
    from safetensors.torch import load_file

    state = load_file(pathlib.Path(starter) / "open_clip_model.safetensors")
    trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    trunk.load_state_dict({key[len("visual.trunk."):]: value for key, value in state.items()
                           if key.startswith("visual.trunk.")})
    weight = state["visual.head.proj.weight"]
    head = torch.nn.Linear(weight.shape[1], weight.shape[0])
    head.load_state_dict({"weight": weight, "bias": state["visual.head.proj.bias"]})
    model = torch.nn.Sequential(trunk, head).eval()
    torch.onnx.export(model, (torch.zeros(BATCH, 3, 224, 224),), str(folder / "starter.onnx"), dynamo=True,
                      verbose=False)
    rng = np.random.default_rng(1)
    samples = nncf.Dataset([rng.standard_normal((BATCH, 3, 224, 224), dtype=np.float32) for _ in range(4)])
    quantized = nncf.quantize(openvino.Core().read_model(folder / "starter.onnx"), samples, subset_size=4)
    openvino.save_model(quantized, folder / "starter_int8.xml")


def run_openvino(precision, folder, args):
    import openvino

    core = openvino.Core()
    model = core.read_model(folder / ("starter_int8.xml" if precision == "int8" else "starter.onnx"))
    hints = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
             "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16"}
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    x = peers.inputs(f"image_{BATCH}")
    return peers.best_rate(lambda: request.infer({0: x}), BATCH, args.seconds)


def run_diptych(precision, args):
    line = subprocess.run([args.program, "bench", "--model", args.starter, "--batch", str(BATCH), "--threads",
                           str(args.threads), "--seconds", str(args.seconds), "--precision", precision, "--format",
                           "json"], check=True, capture_output=True, text=True).stdout
    return json.loads(line)["images_per_s"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("starter")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--folder", help="keeps the exported models there, for a next time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(args.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "starter_int8.xml").exists():
            export(args.starter, folder)
        rates = {}
        for _ in range(args.rounds):
            for precision in PRECISIONS:
                rates.setdefault(("diptych", precision), []).append(run_diptych(precision, args))
                rates.setdefault(("openvino", precision), []).append(run_openvino(precision, folder, args))
    median = {key: statistics.median(values) for key, values in rates.items()}
    print("| engine | pictures/s, batch 32 |\n|---|---|")
    for (engine, precision), rate in sorted(median.items()):
        print(f"| {engine} {precision} | {rate:.1f} |")
    best = {engine: max(rate for (name, _), rate in median.items() if name == engine)
            for engine in ("diptych", "openvino")}
    print(f"| diptych / openvino, the fastest of each | {best['diptych'] / best['openvino']:.2f} |")


if __name__ == "__main__":
    main()
