"""A classifier of 1,000 classes with 80 templates, diptych beside open_clip and the engines of peers.py, on ViT-B/32.

Run in peers.py's environment with open_clip_torch, after peers.py has left its models in a folder:
    python bench/classifier_peers.py build/diptych --folder F picture.jpg [--threads 2] [--precision fp32,bf16]
The classes are ImageNet's and the templates OpenAI's, both as open_clip has them. diptych is timed as a process that
answers `classify`, with --classes labels and with one, and the difference scaled to 1,000. open_clip's own function is
timed over ten classes. The other engines get unpadded texts, 32 at a time, in the most favourable way: all prompts as
if they had ten tokens, scaled to their 9.6 on average.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import peers
import records
from measuring import seconds_of

CLASSES, TEMPLATES = 1000, 80


def mean_tokens():
    from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    lengths = [2 + len(tokenizer.encode(template(name))) for name in IMAGENET_CLASSNAMES
               for template in OPENAI_IMAGENET_TEMPLATES]
    assert len(lengths) == CLASSES * TEMPLATES
    return sum(lengths) / len(lengths)


def run_diptych(precision, args):
    from open_clip import IMAGENET_CLASSNAMES

    names = sorted(set(IMAGENET_CLASSNAMES))
    seconds = {}
    for count in (1, args.classes):
        with tempfile.TemporaryDirectory() as scratch:
            labels = pathlib.Path(scratch) / "labels.txt"
            labels.write_text("\n".join(names[:: len(names) // count][:count]) + "\n")
            command = [args.program, "classify", args.picture, "--model", args.folder, "--labels-file", labels,
                       "--templates", "openai", "--precision", precision, "--threads", str(args.threads)]
            seconds[count] = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True,
                                                               env={**os.environ, "DIPTYCH_NO_CACHE": "1"}))
    return (seconds[args.classes] - seconds[1]) * (CLASSES - 1) / (args.classes - 1)


def run_open_clip(args):
    import open_clip
    import torch

    torch.set_num_threads(args.threads)
    model = open_clip.create_model("ViT-B-32").eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    names = open_clip.IMAGENET_CLASSNAMES[:10]
    seconds = seconds_of(lambda: open_clip.build_zero_shot_classifier(model, tokenizer, names,
                                                                      open_clip.OPENAI_IMAGENET_TEMPLATES))
    return seconds * CLASSES / len(names)


def run_engine(engine, precision, tokens, args):
    peers.CASES = ("text_10",)
    rate = peers.RUN[engine](precision, args.folder, args)["text_10"]
    return CLASSES * TEMPLATES / rate * tokens / 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("picture")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    records.option(parser)
    args = parser.parse_args()
    if args.mode:
        engine, precision = args.mode.split(",")
        if engine == "open_clip":
            return print(json.dumps(run_open_clip(args)))
        return print(json.dumps(run_engine(engine, precision, mean_tokens(), args)))

    def of_peer(engine, precision):
        line = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--mode", f"{engine},{precision}"], check=True,
                              capture_output=True, text=True)
        return json.loads(line.stdout.splitlines()[-1])

    print("| engine | 1,000 classes x 80 templates, s | diptych's time is less by |\n|---|---|---|")
    ratios = {}
    for precision in args.precision.split(","):
        own = run_diptych(precision, args)
        print(f"| diptych {precision} | {own:.1f} | |", flush=True)
        others = [engine for engine in peers.ENGINES[precision] if engine != "diptych"]
        for engine in others + (["open_clip"] if precision == "fp32" else []):
            seconds = of_peer(engine, precision)
            ratios[f"classifier {precision} / {engine}"] = seconds / own
            print(f"| {engine} {precision} | {seconds:.1f} | {seconds / own:.2f} |", flush=True)
    records.keep(args, ratios, "threads", "classes", "seconds")


if __name__ == "__main__":
    main()
