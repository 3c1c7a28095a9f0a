"""Pictures found by words and by a picture: `diptych index` and `search` beside rclip, both with the same weights.

Run in an environment with torch, open_clip_torch, onnx and Pillow; rclip lies in one of its own, since its pins clash:
    python bench/rclip_peers.py build/diptych --rclip VENV/bin/rclip --archives FREE.tar... --work FOLDER
        [--pictures 600] [--rounds 5] [--steps index,query,ranks] [--only "diptych fp32"] [--record]
rclip 3.3 runs LAION's ViT-B-32-256 from two ONNX files that it downloads. Here the same model is made with random
weights, written the way rclip's own files are (torch's tracing exporter, opset 18, fp32), and given to diptych as the
checkpoint of open_clip that it is. The last norm of each tower is shifted so that the embeddings of pictures, and those
of queries, do not all point one way: otherwise all scores would be ties.

The pictures are --pictures of those that dedup_peers.py makes (all, if 0). rclip indexes before it answers, so "index"
is the time to a first answer, of both from nothing; then a query is a process with its start, files warm, rclip told
not to look for changes. "ranks" compares the first 100 pictures of each query, rclip's order with diptych's in fp32:
how many ranks differ, and how many of those by more than a tie (1e-4 of diptych's own scores).
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

import dedup_peers
import records
from measuring import in_turn, measured, medians

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

ARCHITECTURE = "ViT-B-32-256"
RCLIP_FOLDER = "ViT-B-32-256-datacomp_s34b_b86k"  # as rclip names it
WORDS = ("a photo of a cat", "red flowers in a garden", "a pair of shoes", "a bottle of milk", "an old camera")
TOP, TIE = 100, 1e-4


def make_model(folder, pictures):
    """open_clip's checkpoint in `folder`, rclip's files in `folder`/rclip."""
    import open_clip
    import torch
    from PIL import Image
    from random_checkpoint import bpe_path, liven, save_open_clip

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    torch.backends.mha.set_fastpath_enabled(False)  # the exporter knows no fused attention
    config = open_clip.get_model_config(ARCHITECTURE)
    model = open_clip.CLIP(**config).eval()
    liven(model)
    transform = open_clip.image_transform(config["vision_cfg"]["image_size"], is_train=False)

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return self.model.encode_text(ids)

    def shift(norm, projection, embeddings):
        """Takes the mean of what the projection maps to these embeddings out of it."""
        norm.bias -= torch.linalg.lstsq(projection.T, embeddings.mean(0)).solution

    pixels = torch.stack([transform(Image.open(path)) for path in pictures])
    words = open_clip.get_tokenizer(ARCHITECTURE)(list(WORDS))
    shift(model.visual.ln_post, model.visual.proj, model.encode_image(pixels))
    shift(model.ln_final, model.text_projection, model.encode_text(words))
    theirs = folder / "rclip" / RCLIP_FOLDER
    theirs.mkdir(parents=True)
    for name, module, example in (("visual", model.visual, pixels[:1]), ("textual", Text().eval(), words[:1])):
        torch.onnx.export(module, (example,), str(theirs / f"{name}.onnx"), input_names=["input"],
                          output_names=["output"], dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                          opset_version=18, dynamo=False)
    (folder / "rclip/tokenizer").mkdir()
    shutil.copy(bpe_path(), folder / "rclip/tokenizer")
    save_open_clip(folder, model, config)


class Rclip:
    def __init__(self, args, pictures, model):
        self._program, self._pictures, self._data = args.rclip.absolute(), pictures, model / "rclip"

    def _run(self, *arguments):
        return measured([self._program, *arguments], cwd=self._pictures,
                        env={**os.environ, "RCLIP_DATADIR": str(self._data), "HF_HUB_OFFLINE": "1"})

    def index(self):
        (self._data / "db.sqlite3").unlink(missing_ok=True)
        return self._run(WORDS[0])[1:]

    def query(self, query, top=10):
        out, *figures = self._run("--no-indexing", "--filepath-only", "--top", top, query)
        return [pathlib.Path(line).name for line in out.splitlines()], *figures


class Diptych:
    def __init__(self, args, pictures, model, precision):
        self._program, self._pictures, self._store = args.program, pictures, args.work / f"{precision}.store"
        self._options = ["--store", self._store, "--model", model, "--precision", precision]

    def index(self):
        shutil.rmtree(self._store, ignore_errors=True)
        steps = (["index", self._pictures, "--progress", "none"], ["search", WORDS[0]])
        seconds, memory = zip(*(measured([self._program, *step, *self._options])[1:] for step in steps))
        return sum(seconds), max(memory)

    def scores(self, query, top):
        """{name: score} of the best, the first first"""
        asked = ["--image", query] if isinstance(query, pathlib.Path) else [query]
        out, *figures = measured([self._program, "search", *asked, "--top", top, "--format", "json", *self._options])
        return {pathlib.Path(row["path"]).name: row["score"] for row in map(json.loads, out.splitlines())}, *figures

    def query(self, query, top=10):
        found, *figures = self.scores(query, top)
        return list(found), *figures


def ranks(theirs, ours, query):
    """(ranks, those that differ, those that differ by more than a tie, the middle step from a score to the next)"""
    name = query.name if isinstance(query, pathlib.Path) else None  # rclip leaves the picture itself out
    expected = theirs.query(query, TOP)[0]
    scores = ours.scores(query, 2 * TOP)[0]
    found = [other for other in scores if other != name][: len(expected)]
    differing = [(one, other) for one, other in zip(expected, found) if one != other]
    real = [pair for pair in differing if abs(scores.get(pair[0], -1) - scores[pair[1]]) > TIE]
    steps = sorted(scores[one] - scores[other] for one, other in zip(found, found[1:]))
    return len(expected), len(differing), len(real), steps[len(steps) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--rclip", type=pathlib.Path, required=True)
    parser.add_argument("--archives", nargs="+", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", default="index,query,ranks")
    parser.add_argument("--only", help="one engine: rclip, diptych fp32, diptych auto")
    records.option(parser)
    args = parser.parse_args()
    args.work = args.work.absolute()
    pictures, model = dedup_peers.pictures(args.archives, args.work, args.pictures), args.work / "model"
    paths = sorted(pictures.iterdir())
    if not model.exists():
        model.mkdir()
        make_model(model, paths[:: max(1, len(paths) // 64)])
    shown = [path for path in paths if "-" not in path.name][:len(WORDS)]
    engines = {"rclip": Rclip(args, pictures, model)} | {
        f"diptych {precision}": Diptych(args, pictures, model, precision) for precision in ("fp32", "auto")}
    chosen = {args.only: engines[args.only]} if args.only else engines
    times = {}
    if "index" in args.steps:
        for name, engine in chosen.items():
            seconds, memory = engine.index()
            times[name, "index"] = seconds
            print(json.dumps({"engine": name, "pictures": len(paths), "seconds": round(seconds, 1),
                              "peak_gb": round(memory, 2)}), flush=True)
    if "query" in args.steps:
        for kind, query in (("words", WORDS[0]), ("picture", shown[0])):
            results = in_turn({name: lambda engine=engine: engine.query(query) for name, engine in chosen.items()},
                              args.rounds)
            seconds = medians({name: [took for _, took, _ in runs] for name, runs in results.items()})
            for name, runs in results.items():
                times[name, kind] = seconds[name]
                print(json.dumps({"engine": name, "query": kind, "seconds": round(seconds[name], 2),
                                  "peak_gb": round(max(memory for *_, memory in runs), 2)}), flush=True)
    if "ranks" in args.steps:
        for kind, queries in (("words", WORDS), ("picture", shown)):
            rows = [ranks(engines["rclip"], engines["diptych fp32"], query) for query in queries]
            total, differing, real, steps = zip(*rows)
            print(json.dumps({"query": kind, "ranks": sum(total), "differing": sum(differing), "beyond_ties": sum(real),
                              "step": sorted(steps)[len(steps) // 2]}), flush=True)
    records.keep(args, {f"{kind} of {args.pictures} pictures, {name} / rclip": times["rclip", kind] / seconds
                        for (name, kind), seconds in times.items() if name != "rclip" and ("rclip", kind) in times},
                 "pictures", "rounds")


if __name__ == "__main__":
    main()
