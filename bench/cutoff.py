"""Where answers end: the cutoffs of `diptych search` beside every fixed threshold, by F1 over labelled pictures.

    python bench/cutoff.py build/diptych SETS --model MODEL [--work FOLDER]
SETS is a folder of labelled sets: NAME-SPLIT-000000.tar with a `.cls` member beside each picture, and NAME.classes.tsv
(label, id, name, phrase). Sets without labels are left out. Standard library alone.

Each set is indexed by itself, then all of them are merged as one store. Each class that has pictures is a query, "a
photo of" its phrase; its pictures are those of its label. A fixed threshold keeps what scores above it: the best one
for all queries of a store, and the best one for each set by itself, are both chosen with the labels in hand (steps of
0.005). With --foreign a set is asked for the classes of the others, which it has no pictures of: how many pictures
come.
"""
import argparse
import csv
import io
import json
import pathlib
import subprocess
import tarfile
import tempfile

STEPS = [i / 200 for i in range(20, 121)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def f1(kept, right):
    both = len(kept & right)
    return 2 * both / (len(kept) + len(right)) if both else 0.0


def picture_name(path):
    """/data/NAME-SPLIT-000000.tar/0001.jpg -> NAME/0001."""
    shard, member = path.split(".tar/")
    return shard.rsplit("/", 1)[-1].split("-")[0] + "/" + member.rsplit(".", 1)[0]


def read_set(shard):
    """The labelled set of a shard: its name, its phrases by label, the labels of its members; None without labels."""
    name = shard.name.split("-")[0]
    classes = shard.with_name(name + ".classes.tsv")
    if not classes.exists():
        return None
    with tarfile.open(shard) as tar:
        labels = {m.name[:-4]: int(tar.extractfile(m).read()) for m in tar if m.name.endswith(".cls")}
    rows = csv.DictReader(io.StringIO(classes.read_text(encoding="utf-8")), delimiter="\t")
    phrases = {int(row["label"]): row["phrase"] for row in rows}
    return {"name": name, "shard": shard, "labels": labels,
            "phrases": {k: v for k, v in phrases.items() if k in set(labels.values())}}


CUTOFFS = ("--fdr 0.1", "--likely")


class Program:
    def __init__(self, path, model, work):
        self.path, self.model, self.work = path, model, work

    def run(self, *arguments):
        return subprocess.run([self.path, *arguments, "--model", self.model], check=True,
                              stdout=subprocess.PIPE).stdout.decode()

    def index(self, one):
        store = self.work / f"{one['name']}.store"
        self.run("index", one["shard"], "--store", store, "--progress", "none")
        return store

    def merge(self, stores):
        store = self.work / "everything.store"
        self.run("store", "merge", store, *stores)
        return store

    def search(self, store, phrase, *cutoff):
        """The scores of what is found, by picture as SET/MEMBER; without a cutoff every picture of the store."""
        hits = map(json.loads, self.run("search", f"a photo of {phrase}", "--store", store, "--top", "100000",
                                        "--format", "json", *cutoff).splitlines())
        return {picture_name(hit["path"]): hit["score"] for hit in hits}


def ask(program, store, sets):
    """All queries of `sets`: the F1 of each cutoff, and of each fixed threshold."""
    answers = []
    for one in sets:
        for label, phrase in one["phrases"].items():
            right = {f"{one['name']}/{m}" for m, l in one["labels"].items() if l == label}
            scores = program.search(store, phrase)
            answer = {"set": one["name"],
                      "fixed": [f1({k for k, score in scores.items() if score > step}, right) for step in STEPS]}
            for cutoff in CUTOFFS:
                answer[cutoff] = f1(set(program.search(store, phrase, *cutoff.split())), right)
            answers.append(answer)
    return answers


def table(title, answers, names):
    """Rows of F1: a column a set, then the means over queries and over sets."""
    def row(what, values):
        by_set = [mean(v for a, v in zip(answers, values) if a["set"] == name) for name in names]
        print(f"| {title}: {what} | " + " | ".join(f"{v:.3f}" for v in [*by_set, mean(values), mean(by_set)]) + " |",
              flush=True)
        return by_set
    best = max(range(len(STEPS)), key=lambda i: mean(a["fixed"][i] for a in answers))
    row(f"fixed, {STEPS[best]:g}", [a["fixed"][best] for a in answers])
    own = {}
    for name in names:
        mine = [a for a in answers if a["set"] == name]
        own[name] = max(range(len(STEPS)), key=lambda i: mean(a["fixed"][i] for a in mine))
    row("fixed, " + ", ".join(f"{STEPS[own[name]]:g}" for name in names), [a["fixed"][own[a["set"]]] for a in answers])
    for cutoff in CUTOFFS:
        row(f"`{cutoff}`", [a[cutoff] for a in answers])


def foreign(program, stores, sets):
    """Pictures that come for classes of other sets, a query: mean, median and most. None should."""
    print("\n| asked for the classes of the others | " + " | ".join(s["name"] for s in sets) + " |")
    print("|---" * (len(sets) + 1) + "|")
    cells = []
    for one, store in zip(sets, stores):
        phrases = [p for other in sets if other is not one for p in other["phrases"].values()
                   if p not in one["phrases"].values()]
        counts = sorted(len(program.search(store, phrase, "--likely")) for phrase in phrases)
        share = 100 * mean(counts) / len(one["labels"])
        cells.append(f"{mean(counts):.1f} ({share:.1f} %), {counts[len(counts) // 2]}, {counts[-1]}")
    print("| `--likely` | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("sets", type=pathlib.Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", type=pathlib.Path, help="where stores are kept; a second run finds them there")
    parser.add_argument("--foreign", action="store_true", help="ask each set for the classes of the others too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        program = Program(arguments.program, arguments.model, work)
        sets = [s for s in map(read_set, sorted(arguments.sets.glob("*-000000.tar"))) if s is not None]
        if not sets:
            parser.error(f"{arguments.sets} has no labelled sets")
        names = [s["name"] for s in sets]
        stores = [program.index(s) for s in sets]
        everything = program.merge(stores)
        print("| cutoff | " + " | ".join(names) + " | queries | sets |\n" + "|---" * (len(names) + 3) + "|")
        table("alone", [a for s, store in zip(sets, stores) for a in ask(program, store, [s])], names)
        table("one store", ask(program, everything, sets), names)
        if arguments.foreign:
            foreign(program, stores, sets)


if __name__ == "__main__":
    main()
