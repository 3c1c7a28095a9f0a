#!/usr/bin/env python3
"""`diptych train` and what goes wrong: data that cannot be used, flags that make no sense, a loss that is not finite, a
full disk, states of other runs. Nothing that was saved is lost. Usage: train_errors_test.py BUILD/diptych SOURCE_DIR"""

import json
import os
import random
import resource
import signal
import struct
import sys
import unittest

from training import SOURCE, STATE, TINY, WEIGHTS, Case, pair, png, ppm, run, sha, write_pairs, write_shard


class Data(Case):
    def damaged(self):
        """24 good samples, 3 with broken pictures, 2 without a caption, 1 without a picture."""
        samples = {f"{index:06d}": pair(index) for index in range(24)}
        samples["broken1"] = {"png": png(1)[:200], "txt": b"cut off"}
        samples["broken2"] = {"jpg": b"no picture", "txt": b"no picture"}
        samples["broken3"] = {"png": b"", "txt": b"nothing"}
        samples["mute1"], samples["mute2"] = {"png": png(2)}, {"png": png(3), "txt": b" \n"}
        samples["blind"] = {"txt": b"of nothing"}
        path = self.tmp / "damaged.tar"
        write_shard(path, samples)
        return path

    def test_what_cannot_be_used_is_skipped_and_told(self):
        rows, errors = self.train("run", data=self.damaged(), steps=12, code=3)
        self.assertEqual(len(rows), 12)
        (line,) = [line for line in errors.splitlines() if "skipped" in line]
        for part in ["3 broken pictures", "broken1", "broken2", "2 without a caption", "mute1", "mute2",
                     "1 without a picture", "blind"]:
            self.assertIn(part, line)
        self.assertIn("skipped samples", (self.tmp / "run/report.html").read_text())
        self.assert_model_works("run")
        # In the format for people, too, this is no data.
        done = run(*self.flags("text", "--format", "text", data=self.damaged(), steps=1), code=3)
        self.assertNotIn("skipped", done.stdout)
        self.assertIn("diptych train: skipped", done.stderr)

    def test_a_shard_that_is_cut_off(self):
        cut = self.tmp / "cut.tar"
        cut.write_bytes(self.shard.read_bytes()[:60000])
        _, errors = self.train("run", data=cut, code=3)
        self.assertIn("1 damaged shards", errors)
        self.assertIn("the archive is cut off", errors)

    def test_tables(self):
        for index in range(10):
            (self.tmp / f"{index}.ppm").write_bytes(ppm(index))
        table = self.tmp / "pairs.csv"
        table.write_text("filepath,title\n" + "".join(f"{index}.ppm,number {index}\n" for index in range(10)) +
                         "gone.ppm,not there\nonly one field\n,no picture\n9.ppm,\n")
        _, errors = self.train("run", data=table, steps=12, code=3)
        for part in ["1 malformed rows (pairs.csv line 13", "1 unreadable", "gone.ppm", "1 without a caption",
                     "1 without a picture"]:
            self.assertIn(part, errors)
        table.write_text("image;title\na;b\n")
        self.fails(data=table, code=2, contains=["no column \"filepath\"", "image;title"])
        table.write_text('filepath,title\n"0.ppm,x\n')
        self.fails(data=table, code=1, contains=["pairs.csv: line 2", "quote"])

    def test_nothing_can_be_used(self):
        path = self.tmp / "bad.tar"
        write_shard(path, {f"{index}": {"png": b"none", "txt": b"text"} for index in range(9)})
        self.fails(data=path, code=1, contains=["could not be used", "bad.tar/"])

    def test_no_data(self):
        empty = self.tmp / "empty"
        empty.mkdir()
        self.fails(data=empty, code=2, contains=["empty", "the data set is empty"])
        table = self.tmp / "none.csv"
        table.write_text("filepath,title\n")
        self.fails(data=table, code=2, contains=["none.csv", "the data set is empty"])
        write_shard(self.tmp / "mute.tar", {"a": {"png": png(1)}})
        self.fails(data=self.tmp / "mute.tar", code=2, contains=["the data set is empty", "1 without a caption"])
        (self.tmp / "zero.tar").write_bytes(b"")
        self.fails(data=self.tmp / "zero.tar", code=2, contains=["zero.tar", "the data set is empty"])
        (self.tmp / "text.tar").write_bytes(b"text" * 300)
        self.fails(data=self.tmp / "text.tar", code=1, contains=["text.tar", "not a tar archive"])
        self.fails(data=self.tmp / "{0..1}.tar", code=1, contains=["0.tar", "no such file"])

    def test_a_batch_larger_than_the_data(self):
        self.fails("--batch", "25", code=2, contains=["25", "larger than the data set, which has 24"])

    def test_validation_data(self):
        write_shard(self.tmp / "bad.tar", {"a": {"png": b"none", "txt": b"text"}})
        rows = self.fails("--val-data", self.tmp / "bad.tar", code=1, contains="--val-data")
        self.assertLessEqual(len(rows), 1)
        self.fails("--val-data", self.tmp / "none.tar", out="other", code=1, contains="none.tar")


class Flags(Case):
    def test_towers(self):
        def fails(image, text, *more, contains, code=2):
            self.fails(*more, towers=["--image-tower", image, "--text-tower", text], code=code, contains=contains)

        text = "transformer:1,32,1"
        fails("vit:2,64", text, contains=["--image-tower", "vit:12,192,3,p8"])
        fails("vit:2,64,3,p16", text, contains="multiple of the heads")
        fails("ViT-Q-99", text, contains=['"ViT-Q-99" is unknown', "RN50"])
        fails("resnet:1,1,1,w8", text, contains="resnet:1,1,1,1,w32")
        fails("vit:2,64,2,p16", "transformer:1,32", contains=["--text-tower", "transformer:6,256,4"])
        fails("vit:2,64,2,p16", "gpt", contains=['"gpt" is unknown'])
        fails("vit:2,64,2,p16", text, "--image-size", "40", contains=["--image-size", "40", "16"])
        fails("resnet:1,1,1,1,w8", text, "--image-size", "32", "--lora-image", "2", code=1, contains="--lora-image")
        fails("resnet:1,1,1,1,w8", text, "--image-size", "32", "--layout", "hf", code=1, contains="transformers layout")
        self.fails("--image-blocks", "3", code=2, contains="more than the tower's 2 blocks")
        self.fails("--init", "starter", code=2, contains="--init")
        self.fails("--init-image", "starter", code=2, contains=["--image-tower", "--init-image"])
        self.fails(towers=["--image-tower", "vit:2,64,2,p16"], code=2, contains="--text-tower")
        self.assertFalse((self.tmp / "failed").exists())

    def test_starting_points(self):
        self.fails(towers=["--init", str(self.tmp / "none")], code=1, contains="none")
        self.fails(towers=["--init", str(SOURCE / "examples")], code=1, contains="examples")
        self.fails(towers=["--init", "starter", "--image-size", "64"], code=2, contains=["64", "the checkpoint's 224"])
        self.fails("--distill", "starter", code=2, contains=["--distill", "224", "32"])

    def test_the_rest(self):
        self.fails(steps=None, code=2, contains=["--steps", "--epochs"])
        self.fails("--epochs", "1", code=2, contains="exclude each other")
        self.fails("--lock-image", "--lock-text", code=2, contains="nothing to train")
        self.fails("--lock-image", "--lora-image", "2", code=2, contains="--lock-image")
        self.fails("--loss", "siglip", "--hard-negatives", "1", code=2, contains="--hard-negatives")
        self.fails("--loss", "triplet", code=2, contains="infonce|siglip")
        self.fails("--accum", "9", code=2, contains="--accum")
        self.fails("--format", "csv", code=2, contains="--format")
        self.fails("--batch", "1", code=2, contains="--batch")
        run("train", code=2)
        self.assertIn("SIGUSR1", run("train", "--help").stdout)

    def test_the_folder(self):
        (self.tmp / "file").write_text("")
        self.fails(out="file/run", code=1, contains="file/run")
        self.fails("--resume", out="nothing", code=1, contains=["holds no run", STATE])
        self.train("run")
        before = sha(self.tmp / "run" / WEIGHTS), sha(self.tmp / "run" / STATE)
        self.fails(out="run", code=2, contains=["holds a run already", "--resume"])
        self.assertEqual((sha(self.tmp / "run" / WEIGHTS), sha(self.tmp / "run" / STATE)), before)
        # A model without a state is somebody's, too.
        (self.tmp / "run" / STATE).unlink()
        self.fails(out="run", code=2, contains="holds a model already")
        self.assertEqual(sha(self.tmp / "run" / WEIGHTS), before[0])


class NotFinite(Case):
    def test_it_stops_and_names_step_and_samples(self):
        rows, errors = self.train("run", "--lr", "1e30", "--warmup", "0", "--checkpoint-every", "1", steps=9, code=1)
        self.assertLess(len(rows), 9)
        self.assertGreaterEqual(len(rows), 1)
        (line,) = [line for line in errors.splitlines() if "finite" in line]
        self.assertIn(f"step {rows[-1]['step'] + 1}: the ", line)
        self.assertIn("pairs-000000.tar/0000", line)
        self.assertIn("--clip-norm", line)
        self.assertTrue((self.tmp / "run" / STATE).exists())
        self.assertEqual(len((self.tmp / "run/metrics.jsonl").read_text().splitlines()), len(rows))
        # The checkpoint is that of the step before: going on meets the same.
        again, errors = self.train("run", "--lr", "1e30", "--warmup", "0", "--resume", steps=9, code=1)
        self.assertEqual(again, [])
        self.assertIn(line, errors)


class FullDisk(Case):
    """Files may not grow beyond a limit, which a write meets as it meets a full disk."""

    @staticmethod
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    def test_the_old_checkpoint_survives(self):
        flags = ["--checkpoint-every", "2"]
        code, rows, _ = self.start_and_signal("run", signal.SIGTERM, *flags, after=3, steps=12)
        self.assertEqual(code, 0)
        last = rows[-1]["step"]
        self.assertLess(last, 10)
        before = sha(self.tmp / "run" / STATE), sha(self.tmp / "run" / WEIGHTS)
        rows, errors = self.train("run", *flags, "--resume", steps=12, code=1, options={"preexec_fn": self.limit})
        self.assertEqual(rows[-1]["step"], 12)  # it goes on while there is hope for room
        lines = errors.splitlines()
        self.assertIn("was not written, the one before it stays", lines[1])
        self.assertIn(STATE, lines[1])
        self.assertIn("cannot be written", lines[-1])
        self.assertEqual((sha(self.tmp / "run" / STATE), sha(self.tmp / "run" / WEIGHTS)), before)
        self.assertEqual(sorted(path.suffix for path in (self.tmp / "run").iterdir() if path.name.startswith(STATE)),
                         [".safetensors"])  # nothing half-written stays
        self.assert_model_works("run")
        rows, _ = self.train("run", *flags, "--resume", steps=12)
        self.assertEqual(rows[0]["step"], last + 1)

    def test_the_first_checkpoint(self):
        rows, errors = self.train("run", code=1, options={"preexec_fn": self.limit})
        self.assertEqual(len(rows), 4)
        self.assertIn("cannot be written", errors)
        self.assertFalse((self.tmp / "run" / STATE).exists())


class States(Case):
    def setUp(self):
        super().setUp()
        self.train("run")
        self.state = self.tmp / "run" / STATE
        self.weights = sha(self.tmp / "run" / WEIGHTS)

    def tearDown(self):
        self.assertEqual(sha(self.tmp / "run" / WEIGHTS), self.weights)
        super().tearDown()

    def refused(self, *more, **changes):
        self.fails("--resume", *more, out="run", **changes)

    def test_damaged(self):
        good = self.state.read_bytes()
        length = struct.unpack("<Q", good[:8])[0]
        header = json.loads(good[8 : 8 + length])
        begin, end = header["about"]["data_offsets"]
        about = 8 + length + begin
        words = good[about : 8 + length + end]
        other_words = words.replace(b'"step":4', b'"step":-').ljust(len(words))
        for bad in [b"", good[:7], good[: 8 + length // 2], good[: len(good) // 2], good[:-1], b"\xff" * 8 + good[8:],
                    good[:about] + b"\0" * len(words) + good[about + len(words) :],
                    good[:about] + other_words + good[about + len(words) :],
                    good[:about] + b"[]".ljust(len(words)) + good[about + len(words) :],
                    good[:8] + good[8 : 8 + length].replace(b'"F32"', b'"I32"') + good[8 + length :],
                    (self.tmp / "run" / WEIGHTS).read_bytes()]:
            self.state.write_bytes(bad)
            self.refused(code=1, contains=STATE)
        rng = random.Random(3)
        for _ in range(5):  # more of these in trainer_test
            bad = bytearray(good[: 8 + length])
            for _ in range(4):
                bad[rng.randrange(len(bad))] = rng.randrange(256)
            self.state.write_bytes(bytes(bad) + good[8 + length :])
            self.refused(code=1, contains=STATE)

    def test_other_flags(self):
        self.refused("--batch", "6", code=2, contains=["--batch", 'is "6", but was "8"'])
        self.refused("--lr", "2e-3", code=2, contains="--lr")
        self.refused("--ema", "0.9", code=2, contains="--ema")
        self.refused("--flip", "0.5", code=2, contains="--flip")
        self.refused(steps=8, code=2, contains=["--steps", 'is "8", but was "4"'])
        self.refused(towers=["--image-tower", "vit:3,64,2,p16", *TINY[2:]], code=2,
                     contains=["--image-tower", "vit:3,64,2,p16", "vit:2,64,2,p16"])

    def test_other_data(self):
        write_pairs(self.shard, range(23))
        self.refused(code=2, contains=["number of samples in --train-data", 'is "23", but was "24"'])

    def test_of_another_architecture(self):
        # A checkpoint that a name stands for can change under a run.
        base = self.tmp / "base"
        self.train("base")
        self.train("further", towers=["--init", str(base)])
        os.rename(base, self.tmp / "old")
        self.train("base", towers=["--image-tower", "vit:2,32,1,p16", *TINY[2:]])
        self.fails("--resume", out="further", towers=["--init", str(base)], code=1,
                   contains=["has shape", "this run's has", "other towers"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
