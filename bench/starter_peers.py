"""The starter's image tower (EfficientNet-Lite0) beside OpenVINO in each precision, batch 32, in turn.

Run in peers.py's environment with timm and safetensors:
    python bench/starter_peers.py build/diptych STARTER [--threads 2] [--rounds 2] [--seconds 2]
STARTER is the folder of the model. OpenVINO's int8 is NNCF's static quantisation, calibrated on noise.
"""
import argparse
import pathlib
import tempfile
from functools import partial

import peers
import records
from measuring import best_rate, diptych_bench, in_turn, medians

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
    x = peers.inputs(f"image_{BATCH}")
    call = peers.openvino_model(folder / ("starter_int8.xml" if precision == "int8" else "starter.onnx"), precision,
                                args.threads, x)
    return best_rate(call, BATCH, args.seconds)


def run_diptych(precision, folder, args):
    return diptych_bench(args.program, model=args.starter, batch=BATCH, threads=args.threads, seconds=args.seconds,
                         precision=precision)["images_per_s"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("starter")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--folder", help="keeps the exported models there, for a next time")
    records.option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(args.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "starter_int8.xml").exists():
            export(args.starter, folder)
        median = medians(in_turn({(engine.__name__[4:], precision): partial(engine, precision, folder, args)
                                  for precision in PRECISIONS for engine in (run_diptych, run_openvino)}, args.rounds))
    print("| engine | pictures/s, batch 32 |\n|---|---|")
    for (engine, precision), rate in sorted(median.items()):
        print(f"| {engine} {precision} | {rate:.1f} |")
    best = {engine: max(rate for (name, _), rate in median.items() if name == engine)
            for engine in ("diptych", "openvino")}
    print(f"| diptych / openvino, the fastest of each | {best['diptych'] / best['openvino']:.2f} |")
    ratios = {f"starter {precision} / openvino": median["diptych", precision] / median["openvino", precision]
              for precision in PRECISIONS}
    records.keep(args, ratios | {"starter / openvino, the fastest of each": best["diptych"] / best["openvino"]},
                 "threads", "rounds", "seconds")


if __name__ == "__main__":
    main()
