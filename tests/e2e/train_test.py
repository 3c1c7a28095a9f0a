#!/usr/bin/env python3
"""`diptych train`: what it leaves, that it goes on where it stopped, that its numbers do not depend on how it ran, and
every way to say what trains and on what. Usage: train_test.py BUILD/diptych SOURCE_DIR"""

import json
import re
import signal
import sys
import unittest

from training import (NAMES, WEIGHTS, Case, png, ppm, rows_of, run, sha, steps_of, tensor_names,
                      write_pairs)

# Everything that draws random numbers and everything that remembers: what a resumed run could get wrong.
RICH = ["--flip", "0.5", "--color-jitter", "0.3", "--grayscale", "0.1", "--rand-augment", "1", "--crop-scale", "0.5",
        "--ema", "0.9", "--clip-norm", "1", "--shuffle-buffer", "10"]


class Output(Case):
    def test_a_line_a_step(self):
        rows, errors = self.train("run", steps=5)
        self.assertEqual([row["step"] for row in rows], [1, 2, 3, 4, 5])
        for row in rows:
            self.assertLessEqual({"step", "loss", "logit_scale", "lr", "pairs_per_s"}, set(row))
            parts = row["data_s"] + row["gradient_s"] + row["update_s"]
            self.assertAlmostEqual(parts / (8 / row["pairs_per_s"]), 1, delta=0.2)
        self.assertAlmostEqual(rows[0]["logit_scale"], 1 / 0.07, places=3)
        self.assertAlmostEqual(rows[0]["lr"], 5e-4)  # one of two steps of the warm-up
        self.assertIn("done after step 5 of 5", errors)
        on_disk = rows_of((self.tmp / "run/metrics.jsonl").read_text())
        self.assertEqual(on_disk, rows)

    def test_lines_for_people(self):
        done = run(*self.flags("run", "--format", "text"))
        self.assertRegex(done.stdout, r"step 1/4  loss \d+\.\d+  scale 14\.29  lr \S+  \S+ pairs/s  \d+ s left\n")
        self.assertIn("done after step 4 of 4", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_epochs(self):
        rows, _ = self.train("run", "--epochs", "1.5", steps=None)  # of 3 steps each
        self.assertEqual(len(rows), 5)

    def test_it_learns(self):
        rows, _ = self.train("run", "--lr", "2e-3", "--batch", "24", steps=60)
        self.assertLess(rows[-1]["loss"], 0.5 * rows[0]["loss"])

    def test_both_layouts_load(self):
        for layout, config in [("open_clip", "open_clip_config.json"), ("hf", "config.json")]:
            self.train(layout, "--layout", layout)
            self.assertTrue((self.tmp / layout / config).exists())
            info = self.assert_model_works(layout)
            self.assertEqual(info["embed_dim"], 16)
        a, b = (rows_of(run("classify", str(self.picture()), "--labels", "cat,dog", "--model", str(self.tmp / layout),
                            "--format", "json").stdout) for layout in ("open_clip", "hf"))
        self.assertEqual(a, b)

    def picture(self):
        path = self.tmp / "picture.png"
        path.write_bytes(png(3))
        return path

    def test_validation_events_and_report(self):
        captions, labelled = self.tmp / "held-out.tar", self.tmp / "classes"
        write_pairs(captions, range(24, 44))
        for index in range(4):
            (labelled / NAMES[index].replace(" ", "_")).mkdir(parents=True)
            (labelled / NAMES[index].replace(" ", "_") / "1.ppm").write_bytes(ppm(index + 24))
        rows, _ = self.train("run", "--val-data", captions, "--val-data", labelled, "--val-every", "2", steps=4)
        names = {name for row in rows for name in row if name.startswith("val/")}
        self.assertIn("val/loss/held-out", names)
        self.assertIn("val/recall/held-out image to text @1", names)
        self.assertIn("val/recall/held-out text to image @5", names)
        self.assertIn("val/top1/classes", names)
        self.assertEqual([row["step"] for row in rows if "val/top1/classes" in row], [2, 4])

        (events,) = (self.tmp / "run").glob("events.out.tfevents.*")
        data = events.read_bytes()
        self.assertIn(b"brain.Event:2", data)
        self.assertEqual(data.count(b"val/top1/classes"), 2)

        html = (self.tmp / "run/report.html").read_text()
        self.assertTrue(html.startswith("<!doctype html>") and html.rstrip().endswith("</html>"))
        self.assertIn("<svg", html)
        self.assertIn("data:image/png;base64,", html)
        self.assertIn("--val-every", html)
        self.assertIn("<h1>vit:2,64,2,p16 and transformer:1,32,1</h1>", html)
        for address in re.findall(r"""(?:src|href|url|import)\s*[=(]?\s*["']([^"']+)""", html):
            self.assertTrue(address.startswith("data:"), address[:100])

    def test_names_of_any_bytes(self):
        folder = self.tmp / "<b>&"
        folder.mkdir()
        data = folder / b"caf\xe9.tar".decode("utf-8", "surrogateescape")
        write_pairs(data, range(24))
        rows, _ = self.train("run", "--val-data", data, "--checkpoint-every", "2", data=data)
        self.assertIn("val/loss/caf\ufffd", rows[-1])
        self.assertNotIn("<b>&", (self.tmp / "run/report.html").read_text())
        self.train("run", "--val-data", data, "--resume", data=data)


class Resume(Case):
    """A run that is stopped, however, ends with the bits of one that was not."""

    STEPS = 16

    def setUp(self):
        super().setUp()
        self.whole, _ = self.train("whole", *RICH, steps=self.STEPS)

    def assert_resumes(self, out, done_by_then):
        rows, errors = self.train(out, *RICH, "--checkpoint-every", "3", "--resume", steps=self.STEPS)
        first = rows[0]["step"]
        self.assertIn(f"goes on after step {first - 1} of {self.STEPS}", errors)
        self.assertLessEqual(first, done_by_then + 1)
        expected = steps_of(self.whole)
        self.assertEqual(steps_of(rows), {step: expected[step] for step in range(first, self.STEPS + 1)})
        self.assertEqual(sha(self.tmp / out / WEIGHTS), sha(self.tmp / "whole" / WEIGHTS))
        on_disk = rows_of((self.tmp / out / "metrics.jsonl").read_text())
        self.assertEqual(steps_of(on_disk), expected)
        self.assertEqual(len(on_disk), self.STEPS)

    def test_after_sigkill(self):
        code, rows, _ = self.start_and_signal("run", signal.SIGKILL, *RICH, "--checkpoint-every", "3", after=7,
                                              steps=self.STEPS)
        self.assertEqual(code, -signal.SIGKILL)
        self.assert_model_works("run")
        self.assert_resumes("run", rows[-1]["step"])

    def test_after_sigterm(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            out = f"run{number}"
            code, rows, errors = self.start_and_signal(out, number, *RICH, after=5, steps=self.STEPS)
            last = rows[-1]["step"]
            self.assertEqual(code, 0)
            self.assertLess(last, self.STEPS)
            self.assertIn(f"stopped after step {last} of {self.STEPS}", errors)
            self.assertTrue((self.tmp / out / "report.html").exists())
            self.assert_model_works(out)
            self.assert_resumes(out, last)

    def test_a_signal_does_not_wait_for_validation(self):
        table, count = self.tmp / "many.csv", 200_000  # far more than are embedded before the signal comes
        (self.tmp / "0.ppm").write_bytes(ppm(0))
        table.write_text("filepath,title\n" + "0.ppm,a red square\n" * count)
        code, rows, errors = self.start_and_signal("run", signal.SIGTERM, "--val-data", table, "--val-limit", "0",
                                                   "--val-every", "2", after=2, steps=self.STEPS)
        self.assertEqual(code, 0)
        self.assertEqual([row["step"] for row in rows], [1, 2])  # and no line of a validation
        self.assertIn(f"stopped after step 2 of {self.STEPS}", errors)

    def test_a_finished_run_stays(self):
        before = sha(self.tmp / "whole" / WEIGHTS)
        rows, errors = self.train("whole", *RICH, "--resume", steps=self.STEPS)
        self.assertEqual(rows, [])
        self.assertIn("done after step 16 of 16", errors)
        self.assertEqual(sha(self.tmp / "whole" / WEIGHTS), before)


class SameNumbers(Case):
    def losses(self, out, *more, **changes):
        return list(steps_of(self.train(out, *more, **changes)[0]).values())

    def assert_close(self, a, b, delta):
        self.assertEqual(len(a), len(b))
        for x, y in zip(a, b):
            self.assertAlmostEqual(x, y, delta=delta)

    def test_threads_pieces_and_recomputation(self):
        expected = self.losses("one", "--threads", "1", "--flip", "0.5", steps=8)
        for out, flags in {"threads": ["--threads", "2"], "three": ["--threads", "3"], "accum": ["--accum", "4"],
                           "uneven": ["--accum", "3"], "recompute": ["--recompute"],
                           "both": ["--recompute", "--accum", "2"]}.items():
            with self.subTest(out):
                self.assert_close(self.losses(out, "--flip", "0.5", *flags, steps=8), expected, 2e-5)

    def test_precision(self):
        self.assert_close(self.losses("bf16", "--precision", "bf16"), self.losses("fp32"), 0.05)

    def test_seeds(self):
        a, b = self.losses("a"), self.losses("b", "--seed", "6")
        self.assertEqual(self.losses("again"), a)
        self.assertNotEqual(a, b)


class Towers(Case):
    """What can be trained."""

    def lines(self, out, *more, steps=3, **changes):
        rows, _ = self.train(out, *more, steps=steps, **changes)
        self.assertEqual(len(rows), steps)
        return rows

    def image_tower(self, tower, *more):
        return ["--image-tower", tower, "--text-tower", "transformer:1,32,1", "--embed-dim", "16", *more]

    def test_convolutional_image_towers(self):
        for tower in ["resnet:1,1,1,1,w8", "tf_efficientnet_lite0"]:
            out = tower.split(":")[0]
            self.lines(out, towers=self.image_tower(tower, "--image-size", "32"), steps=2)
            self.assert_model_works(out)

    def test_the_starter_s_towers(self):
        starter = ["--init-image", "starter", "--text-tower", "transformer:1,32,1"]
        self.lines("lit", "--lock-image", "--batch", "4", towers=starter, steps=2)
        self.assertEqual(self.assert_model_works("lit")["embed_dim"], 384)
        bert = ["--image-tower", "vit:1,64,2,p16", "--image-size", "32", "--init-text", "starter"]
        self.lines("bert", "--text-blocks", "1", towers=bert, steps=2)
        self.lines("bert-lora", "--lora-text", "2", "--layout", "open_clip", towers=bert, steps=2)
        self.assert_model_works("bert-lora")

    def test_what_is_locked_stays(self):
        self.train("first")
        first = ["--init", str(self.tmp / "first")]

        def changed(out, *more):
            self.lines(out, *more, towers=first)
            self.assert_model_works(out)
            a, b = ((self.tmp / name / WEIGHTS).read_bytes() for name in ("first", out))
            rows = tensor_names(self.tmp / out / WEIGHTS)
            self.assertEqual(set(rows), set(tensor_names(self.tmp / "first" / WEIGHTS)))
            return {name for name in rows if tensor(a, name) != tensor(b, name)}

        image = changed("lock-image", "--lock-image")
        self.assertFalse({name for name in image if name.startswith("visual.")})
        self.assertIn("token_embedding.weight", image)
        self.assertTrue(all(name.startswith("visual.") or name == "logit_scale"
                            for name in changed("lock-text", "--lock-text")))
        last = {name for name in changed("blocks", "--image-blocks", "1", "--lock-text") if ".resblocks." in name}
        self.assertTrue(last and all(".resblocks.1." in name for name in last), last)
        lora = changed("lora", "--lora-image", "2", "--lora-text", "2")
        self.assertIn("visual.transformer.resblocks.0.attn.in_proj_weight", lora)
        self.assertNotIn("visual.conv1.weight", lora)
        self.assertNotIn("token_embedding.weight", lora)

    def test_losses(self):
        self.assertIn("logit_bias", self.lines("siglip", "--loss", "siglip")[0])
        self.assertAlmostEqual(self.assert_model_works("siglip")["logit_bias"], -10, delta=0.1)
        plain, hard = self.lines("plain"), self.lines("hard", "--hard-negatives", "0.5")
        self.assertNotEqual(plain[0]["loss"], hard[0]["loss"])

    def test_distillation(self):
        towers = ["--image-tower", "vit:1,64,2,p32", "--text-tower", "transformer:1,32,1", "--image-size", "224",
                  "--embed-dim", "16"]
        rows = self.lines("student", "--distill", "starter", "--batch", "4", towers=towers, steps=2)
        for row in rows:
            self.assertAlmostEqual(row["loss"], row["contrastive"] + row["distillation"], places=4)

    def test_schedules_and_rates(self):
        for schedule in (["constant"], ["cooldown", "--cooldown", "2"], ["cosine"]):
            rates = [row["lr"] for row in self.lines(schedule[0], "--schedule", *schedule, "--layer-decay", "0.7",
                                                     "--lr-text", "0.5", steps=6)]
            self.assertAlmostEqual(rates[1], 1e-3)
            self.assertEqual(rates[5] == rates[1], schedule == ["constant"], rates)


def tensor(data, name):
    """The bytes of a tensor in the bytes of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8 : 8 + length])[name]["data_offsets"]
    return data[8 + length + begin : 8 + length + end]


class Data(Case):
    """What it can be trained on."""

    def test_tables(self):
        for index in range(10):
            (self.tmp / f"{index}.ppm").write_bytes(ppm(index))
        rows = [(f"{index}.ppm", f'a "{NAMES[index]}", seen') for index in range(10)]
        quoted = [(path, '"' + title.replace('"', '""') + '"') for path, title in rows]
        csv, tsv = self.tmp / "pairs.csv", self.tmp / "pairs.tsv"
        csv.write_text("filepath,title\n" + "".join(f"{path},{title}\n" for path, title in quoted))
        tsv.write_text("text\tpicture\n" + "".join(f"{title}\t{path}\n" for path, title in quoted))
        a, _ = self.train("csv", data=csv)
        b, _ = self.train("tsv", "--image-column", "picture", "--caption-column", "text", data=tsv)
        self.assertEqual(steps_of(a), steps_of(b))

    def test_folders(self):
        captioned, classes = self.tmp / "captioned", self.tmp / "classes"
        captioned.mkdir()
        for index in range(10):
            (captioned / f"{index}.png").write_bytes(png(index))
            (captioned / f"{index}.txt").write_text(f"a {NAMES[index]}\nanother {NAMES[index]}\n")
            folder = classes / NAMES[index % 5].replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{index}.png").write_bytes(png(index))
        self.train("captioned", data=captioned)
        self.train("classes", "--template", "a drawing of a {}", "--template", "{}", data=classes)

    def test_several_shards(self):
        write_pairs(self.tmp / "pairs-000001.tar", range(24, 40))
        rows, _ = self.train("run", "--epochs", "1", data=self.tmp / "pairs-{000000..000001}.tar", steps=None)
        self.assertEqual(len(rows), 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
