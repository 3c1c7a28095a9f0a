#!/usr/bin/env python3
"""The built program as its users see it. Python's standard library only.
Usage: cli_test.py BUILD/diptych SOURCE_DIR"""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import unittest

from program import EXAMPLES, PROGRAM, SHARED, SOURCE, TemporaryFolderCase, rows, run

sys.path.insert(0, str(SOURCE / "tests/support"))
from made_checkpoint import write_checkpoint  # noqa: E402

CAT = str(EXAMPLES / "cat.png")


def read_npy(path):
    """-> (dtype, shape, values)"""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0
    header = eval(data[10 : 10 + length], {"__builtins__": {}})  # a literal that we wrote ourselves
    count = 1
    for n in header["shape"]:
        count *= n
    kind = "f" if header["descr"] == "<f4" else "i"
    return header["descr"], header["shape"], struct.unpack(f"<{count}{kind}", data[10 + length :])


class Case(TemporaryFolderCase):
    def one_error_line(self, *arguments, code, contains):
        done = run(*arguments, code=code)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for text in [contains] if isinstance(contains, str) else contains:
            self.assertIn(text, lines[0])


class Program(Case):
    def test_help(self):
        self.assertIn("classify", run("--help").stdout)
        self.assertIn("classify", run(code=2).stderr)
        self.assertRegex(run("--version").stdout, r"^diptych \d+\.\d+\.\d+\n$")
        for command in ["classify", "embed", "similarity", "tokenize", "pixels", "info"]:
            done = run(command, "--help")
            self.assertIn(f"diptych {command}", done.stdout)
            self.assertIn("Example:", done.stdout)
            self.assertEqual(done.stderr, "")

    def test_unknown(self):
        self.one_error_line("clasify", code=2, contains='did you mean "classify"?')
        self.one_error_line("frobnicate", code=2, contains="--help")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--bogus", code=2, contains="--bogus")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--top", "many", code=2, contains="--top")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--top", "0", code=2, contains="at least 1")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--precision", "fp8", code=2, contains="fp32")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--resize", "other", code=2, contains="torchvision")
        self.one_error_line("embed", CAT, "--merge-tokens", "-1", code=2, contains="--merge-tokens")
        self.one_error_line("embed", CAT, "--merge-tokens", "8", code=2, contains=["starter", "no tokens to merge"])
        self.one_error_line("classify", CAT, "--labels", "a,b", "--model", "no_such", code=1, contains="no_such")
        self.one_error_line("info", "no_such", code=1, contains="no_such")

    def test_broken_pipe_is_quiet(self):
        texts = self.tmp / "texts"
        texts.write_text("a cat\n" * 200000)
        process = subprocess.Popen(
            [str(PROGRAM), "tokenize", "--texts-file", str(texts)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(60), -signal.SIGPIPE)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [str(PROGRAM), "tokenize", "--text", "a"], stdout=full, stderr=subprocess.PIPE, text=True
            )
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


class Classify(Case):
    def test_matches_open_clip(self):
        golden = json.loads((SOURCE / "tests/golden/classify/expected.json").read_text())
        labels = [f"--label={label}" for label in golden["labels"]]
        top = ["--top", str(len(labels))]
        templates = [f"--template={template}" for template in golden["templates"]]
        for name, expected in golden["pictures"].items():
            (row,) = rows("classify", str(EXAMPLES / name), *labels, *top)
            self.assertEqual(row["path"], str(EXAMPLES / name))
            got = {p["label"]: p for p in row["predictions"]}
            largest = max(abs(v) for v in expected["logits"])
            for label, probability, logit in zip(golden["labels"], expected["probabilities"], expected["logits"]):
                self.assertAlmostEqual(got[label]["probability"], probability, delta=1e-3)
                self.assertAlmostEqual(got[label]["logit"], logit, delta=1e-3 * largest)
            (row,) = rows("classify", str(EXAMPLES / name), *labels, *top, *templates)
            got = {p["label"]: p["probability"] for p in row["predictions"]}
            for label, probability in zip(golden["labels"], expected["averaged"]):
                self.assertAlmostEqual(got[label], probability, delta=1e-3)

    @unittest.skipUnless((SHARED / "models/starter/expected.json").exists(), "no shared data")
    def test_matches_the_starter_s_own_expectations(self):
        expected = json.loads((SHARED / "models/starter/expected.json").read_text())
        photos = SHARED / "data/samples/photos"
        labels = [f"--label={label}" for label in expected["labels"]]
        names = sorted(expected["pictures"])
        got = rows("classify", *[str(photos / n) for n in names], *labels, "--top", "100")
        for name, row in zip(names, got):
            self.assertEqual(row["path"], str(photos / name))
            by_label = {p["label"]: p["probability"] for p in row["predictions"]}
            for label, probability in zip(expected["labels"], expected["pictures"][name]["probabilities"]):
                self.assertAlmostEqual(by_label[label], probability, delta=0.005, msg=f"{name}: {label}")
        (row,) = rows("classify", str(photos / "coco_000000039769.png"), "--labels", "cat,dog")
        self.assertEqual(row["predictions"][0]["label"], "cat")
        self.assertGreater(row["predictions"][0]["probability"], 0.9)

    def test_merged_tokens(self):
        write_checkpoint(self.tmp, "hf_legacy_eos")
        model = ["--model", str(self.tmp)]
        exact, one, merged = (rows("embed", CAT, *model, "--merge-tokens", r)[0]["embedding"] for r in ("0", "1", "6"))
        self.assertEqual(exact, rows("embed", CAT, *model)[0]["embedding"])
        for other in (one, merged):
            self.assertNotEqual(exact, other)
            self.assertGreater(sum(a * b for a, b in zip(exact, other)), 0.5)
        for command in (["classify", CAT, "--labels", "a,b"], ["similarity", CAT, "--text", "a"]):
            self.assertNotEqual(run(*command, *model).stdout, run(*command, *model, "--merge-tokens", "6").stdout)

    def test_shape_of_rows(self):
        (row,) = rows("classify", CAT, "--labels", "a,b,c,d,e,f,g")
        self.assertEqual(list(row), ["path", "predictions"])
        self.assertEqual(len(row["predictions"]), 5)
        self.assertEqual(list(row["predictions"][0]), ["label", "probability", "logit"])
        probabilities = [p["probability"] for p in row["predictions"]]
        self.assertEqual(probabilities, sorted(probabilities, reverse=True))
        self.assertEqual(len(rows("classify", CAT, "--labels", "a,b,c", "--top", "2")[0]["predictions"]), 2)
        done = run("classify", CAT, "--label", 'a "b", c', "--label", "d", "--format", "csv")
        table = list(csv.reader(io.StringIO(done.stdout)))
        self.assertEqual(table[0], ["path", "rank", "label", "probability", "logit"])
        self.assertEqual({line[2] for line in table[1:]}, {'a "b", c', "d"})
        text = run("classify", CAT, "--labels", "cat,dog").stdout
        self.assertIn("█", text)
        self.assertNotIn("\x1b", text)

    def test_labels(self):
        file = self.tmp / "labels.txt"
        file.write_bytes("\ufeff cat \r\n\r\n  dog\nbird".encode())
        flags = ["--labels-file", str(file), "--labels", "car , bus", "--label", "a, b", "--top", "9"]
        (row,) = rows("classify", CAT, *flags)
        labels = {p["label"] for p in row["predictions"]}
        self.assertEqual(labels, {"cat", "dog", "bird", "car", "bus", "a, b"})
        self.one_error_line("classify", CAT, "--labels", "cat,dog,cat", code=2, contains=['"cat"', "twice"])
        self.one_error_line("classify", CAT, "--labels", " , ", code=2, contains="empty")
        self.one_error_line("classify", CAT, code=2, contains="--labels")
        file.write_text("\n \n")
        self.one_error_line("classify", CAT, "--labels-file", str(file), code=2, contains="empty")
        file.write_bytes(b"caf\xe9\n")
        self.one_error_line("classify", CAT, "--labels-file", str(file), code=1, contains="UTF-8")
        self.one_error_line("classify", CAT, "--labels-file", str(self.tmp / "none"), code=1, contains="no such file")
        self.one_error_line("classify", CAT, "--labels", "a,b", "--template", "a photo", code=2, contains="{}")
        both = ["--template", "{}", "--templates", "none"]
        self.one_error_line("classify", CAT, "--labels", "a,b", *both, code=2, contains="exclude")

    def test_reject(self):
        rocket = str(EXAMPLES / "rocket.jpg")
        (inside,) = rows("classify", rocket, "--labels", "rocket,dog", "--reject")
        self.assertIs(inside["rejected"], False)
        (outside,) = rows("classify", CAT, "--labels", "airplane,trumpet", "--reject")
        self.assertIs(outside["rejected"], True)
        # The flag takes the next argument only where that is a number.
        self.assertIs(rows("classify", "--reject", rocket, "--labels", "rocket,dog")[0]["rejected"], False)
        self.assertIs(rows("classify", "--reject", "0", CAT, "--labels", "airplane,trumpet")[0]["rejected"], False)
        self.one_error_line("classify", CAT, "--labels", "a,b", "--reject", "7", code=2, contains="between 0 and 1")

    def test_saved_classifier(self):
        file = self.tmp / "pets.safetensors"
        run("classify", "--labels", "cat,dog,bird", "--templates", "simple", "--save-classifier", str(file))
        fresh = rows("classify", CAT, "--labels", "cat,dog,bird", "--templates", "simple", "--reject")
        self.assertEqual(rows("classify", CAT, "--classifier", str(file), "--reject"), fresh)
        both = ["--classifier", str(file), "--labels", "a"]
        self.one_error_line("classify", CAT, *both, code=2, contains="--classifier")
        self.one_error_line("classify", CAT, "--classifier", CAT, code=1, contains=CAT)
        # The same names, another model: its embeddings must not be used.
        data = file.read_bytes()
        at = data.index(b'"model":"') + 9
        file.write_bytes(data[:at] + b"0123456789abcdef" + data[at + 16 :])
        self.one_error_line("classify", CAT, "--classifier", str(file), code=1, contains="another model")


class Inputs(Case):
    def names(self, *arguments, code=0):
        done = run("classify", *arguments, "--labels", "cat,dog", "--format", "json", code=code)
        return [pathlib.Path(json.loads(line)["path"]).name for line in done.stdout.splitlines()], done.stderr

    def test_bad_pictures(self):
        (self.tmp / "empty.jpg").write_bytes(b"")
        (self.tmp / "text.jpg").write_text("no picture")
        (self.tmp / "cut.png").write_bytes(pathlib.Path(CAT).read_bytes()[:20000])
        header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 60000, 60000) + b"\x08\x02\x00\x00\x00"
        (self.tmp / "huge.png").write_bytes(header + bytes(4))
        for name in ["empty.jpg", "text.jpg", "cut.png", "huge.png", "missing.png"]:
            self.one_error_line("classify", str(self.tmp / name), "--labels", "a,b", code=1, contains=["skipped", name])

    def test_a_folder_goes_on(self):
        inner = self.tmp / "b" / "inner"
        inner.mkdir(parents=True)
        for target in [self.tmp / "z.png", inner / "a.PNG"]:
            shutil.copyfile(CAT, target)
        (self.tmp / "a.jpg").write_text("no picture")
        (self.tmp / "notes.txt").write_text("not named as a picture")
        errors = self.tmp / "errors.jsonl"
        names, stderr = self.names(str(self.tmp), "--errors", str(errors), code=3)
        self.assertEqual(names, ["a.PNG", "z.png"])
        self.assertIn("a.jpg", stderr)
        (error,) = [json.loads(line) for line in errors.read_text().splitlines()]
        self.assertEqual(error["path"], str(self.tmp / "a.jpg"))
        self.assertTrue(error["reason"])
        self.names(str(self.tmp), "--strict", code=1)
        (self.tmp / "none").mkdir()
        self.one_error_line("classify", str(self.tmp / "none"), "--labels", "a,b", code=1, contains="no pictures")

    def test_lists_globs_and_order(self):
        for i in [2, 1, 10]:
            shutil.copyfile(CAT, self.tmp / f"{i:03}.png")
        listing = self.tmp / "list.txt"
        listing.write_text(f"{self.tmp}/010.png\r\n\n{self.tmp}/001.png\n")
        self.assertEqual(self.names(str(self.tmp / "*.png"))[0], ["001.png", "002.png", "010.png"])
        self.assertEqual(self.names("--files-from", str(listing))[0], ["010.png", "001.png"])
        self.assertEqual(self.names(str(self.tmp / "{001..002}.png"))[0], ["001.png", "002.png"])
        done = run("classify", "-", "--labels", "a,b", "--format", "json", input=listing.read_text())
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.one_error_line("classify", "--labels", "a,b", code=2, contains="no pictures")
        self.one_error_line("classify", "x{9..1}.png", "--labels", "a,b", code=2, contains="backwards")
        self.one_error_line("classify", "http://127.0.0.1:9/a.jpg", "--labels", "a,b", code=1, contains="allow-private")

    def test_archives(self):
        for i in range(2):
            with tarfile.open(self.tmp / f"{i:06}.tar", "w") as archive:
                archive.add(CAT, f"{i}/cat.png")
                archive.add(__file__, f"{i}/cat.txt")
        done = run("classify", str(self.tmp / "{000000..000001}.tar"), "--labels", "a,b", "--format", "json")
        paths = [json.loads(line)["path"] for line in done.stdout.splitlines()]
        self.assertEqual(paths, [f"{self.tmp}/00000{i}.tar/{i}/cat.png" for i in range(2)])
        whole = (self.tmp / "000000.tar").read_bytes()
        (self.tmp / "cut.tar").write_bytes(whole[:30000])
        cut = str(self.tmp / "cut.tar")
        self.one_error_line("classify", cut, "--labels", "a,b", code=1, contains=["cut.tar", "cut off"])
        (self.tmp / "text.tar").write_text("text" * 200)
        self.one_error_line("classify", str(self.tmp / "text.tar"), "--labels", "a,b", code=1, contains="tar")


class Arrays(Case):
    def test_embed(self):
        out = self.tmp / "e.npy"
        pictures = [str(EXAMPLES / "rocket.jpg"), str(self.tmp / "missing.jpg"), CAT]
        done = run("embed", *pictures, "--out", str(out), code=3)
        self.assertEqual(done.stdout, "")
        kind, shape, values = read_npy(out)
        self.assertEqual((kind, shape), ("<f4", (2, 384)))
        self.assertEqual((self.tmp / "e.paths.txt").read_text(), pictures[0] + "\n" + CAT + "\n")
        golden = json.loads((SOURCE / "tests/golden/classify/expected.json").read_text())["pictures"]
        for got, expected in zip(values[384:392], golden["cat.png"]["embedding_first8"]):
            self.assertAlmostEqual(got, expected, delta=1e-4)
        self.assertAlmostEqual(sum(v * v for v in values[:384]), 1, delta=1e-4)
        (row,) = rows("embed", CAT)
        self.assertEqual(row["path"], CAT)
        for got, expected in zip(row["embedding"], values[384:]):
            self.assertAlmostEqual(got, expected, delta=1e-5)
        run("embed", CAT, "--out", str(out), "--no-normalize")
        self.assertNotAlmostEqual(sum(v * v for v in read_npy(out)[2]), 1, delta=1e-2)
        self.one_error_line("embed", CAT, "--out", str(self.tmp / "e.txt"), code=2, contains=".npy")
        self.one_error_line("embed", CAT, "--text", "a", code=2, contains="one kind")
        run("embed", str(self.tmp / "missing.jpg"), "--out", str(self.tmp / "none.npy"), code=1)
        self.assertFalse((self.tmp / "none.npy").exists())
        self.assertEqual(sorted(p.name for p in self.tmp.iterdir()), ["e.npy", "e.paths.txt"])

    def test_embed_texts(self):
        out, texts = self.tmp / "t.npy", self.tmp / "texts.txt"
        texts.write_text("a dog\n\n  a bird \n")
        run("embed", "--text", "a cat", "--texts-file", str(texts), "--out", str(out))
        self.assertEqual(read_npy(out)[1], (4, 384))
        self.assertEqual((self.tmp / "t.texts.txt").read_text(), "a cat\na dog\n\n  a bird \n")
        self.assertEqual([r["text"] for r in rows("embed", "--text", "x", "--text", "y")], ["x", "y"])

    def test_tokenize(self):
        (row,) = rows("tokenize", "--text", "a photo of a cat")
        self.assertEqual(row, {"text": "a photo of a cat", "ids": [101, 1037, 6302, 1997, 1037, 4937, 102]})
        out = self.tmp / "ids.npy"
        run("tokenize", "--text", "a photo of a cat", "--out", str(out))
        kind, shape, values = read_npy(out)
        self.assertEqual((kind, shape), ("<i4", (1, 77)))
        self.assertEqual(list(values), row["ids"] + [0] * 70)
        self.one_error_line("tokenize", code=2, contains="--text")

    def test_pixels(self):
        out = self.tmp / "p.npy"
        run("pixels", CAT, "--out", str(out))
        self.assertEqual(read_npy(out)[:2], ("<f4", (1, 3, 224, 224)))
        self.one_error_line("pixels", CAT, code=2, contains="--out")

    def test_similarity(self):
        rocket = str(EXAMPLES / "rocket.jpg")
        found = rows("similarity", CAT, rocket, "--with", rocket, "--text", "a cat")
        pairs = [(CAT, rocket), (CAT, "a cat"), (rocket, rocket), (rocket, "a cat")]
        self.assertEqual([(r["a"], r["b"]) for r in found], pairs)
        self.assertAlmostEqual(found[2]["cosine"], 1, delta=1e-5)
        self.assertGreater(found[1]["cosine"], found[3]["cosine"])
        run("similarity", CAT, rocket, "--matrix", str(self.tmp / "m.npy"))
        _, shape, values = read_npy(self.tmp / "m.npy")
        self.assertEqual(shape, (2, 2))
        self.assertAlmostEqual(values[0], 1, delta=1e-5)
        self.assertAlmostEqual(values[1], values[2], delta=1e-6)
        run("similarity", str(EXAMPLES), "--text", "a cat", "--matrix", str(self.tmp / "m.png"))
        self.assertEqual((self.tmp / "m.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.one_error_line("similarity", CAT, "--matrix", "m.gif", code=2, contains=".npy nor .png")

    def test_info(self):
        (info,) = rows("info")
        self.assertEqual((info["model"], info["embed_dim"], info["image_size"]), ("starter", 384, 224))
        self.assertEqual(info["parameters"], info["parameters"] // 1)
        self.assertGreater(info["parameters"], 20_000_000)
        self.assertIn("EfficientNet", run("info", "starter").stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
