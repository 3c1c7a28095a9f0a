#!/usr/bin/env python3
"""The well-known example by name and by address, against a hub and a picture server on the loopback. Python's standard
library only. Usage: hub_test.py BUILD/diptych BUILD/fake_hub SOURCE_DIR"""

import array
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM, FAKE_HUB, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
GOLDEN = json.loads((SOURCE / "tests/golden/clip/hf_legacy_eos.json").read_text())
MODEL = "openai/clip-vit-base-patch32"
PROMPTS = ["--template", "{}", "--labels", "a photo of a cat,a photo of a dog"]
MASK = (1 << 64) - 1


def made_values(name, count, offset, scale):
    """As tools/golden/clip.py makes them: splitmix64 over (FNV-1a of the name) + index."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    values = array.array("f", bytes(4 * count))
    for i in range(count):
        z = (i * 0x9E3779B97F4A7C15 + h) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values[i] = offset + scale * (((z ^ (z >> 31)) >> 40) / 8388608.0 - 1.0)
    return values


def write_model(folder):
    for name, content in GOLDEN["files"].items():
        (folder / name).write_text(json.dumps(content))
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_bytes((SOURCE / "tests/golden/clip" / name).read_bytes())
    header, data = {}, bytearray()
    for name, rule in sorted(GOLDEN["tensors"].items()):
        count = 1
        for side in rule["shape"]:
            count *= side
        begin = len(data)
        data += made_values(name, count, rule["offset"], rule["scale"]).tobytes()
        header[name] = {"dtype": "F32", "shape": rule["shape"], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


class HubTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.temporary.name)
        (root / "model").mkdir()
        write_model(root / "model")
        (root / "site").mkdir()
        (root / "site/cat.png").write_bytes((SOURCE / "examples/cat.png").read_bytes())
        (root / "site/page.html").write_text("<!DOCTYPE html><html><body>not a picture</body></html>")
        cls.server = subprocess.Popen([FAKE_HUB, "0", f"{MODEL}={root / 'model'}", f"pictures/site={root / 'site'}"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.url = cls.server.stdout.readline().strip()
        cls.cat = f"{cls.url}/pictures/site/resolve/main/cat.png"

    @classmethod
    def tearDownClass(cls):
        cls.server.stdin.close()
        cls.server.wait(10)
        cls.server.stdout.close()
        cls.temporary.cleanup()

    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)

    def run_program(self, *arguments, code=0, offline=False):
        hidden = ("DIPTYCH_", "HF_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden) and "proxy" not in k}
        environment |= {"HF_HOME": self.home.name, "HF_ENDPOINT": self.url}
        if offline:
            environment["HF_HUB_OFFLINE"] = "1"
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment, timeout=120)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def check_example(self, *arguments, offline=False):
        done = self.run_program("classify", *arguments, "--model", MODEL, *PROMPTS, "--format", "json", offline=offline)
        found = {p["label"]: p["probability"] for p in json.loads(done.stdout)["predictions"]}
        for label, expected in zip(("a photo of a cat", "a photo of a dog"), GOLDEN["cat_probabilities"]):
            self.assertAlmostEqual(found[label], expected, delta=1e-4)

    def test_the_example_by_name_and_address(self):
        self.check_example(self.cat, "--allow-private")
        self.check_example(str(SOURCE / "examples/cat.png"), offline=True)  # the cache is enough from now on

    def test_offline_without_a_cache_says_what_is_missing(self):
        done = self.run_program("info", MODEL, code=1, offline=True)
        self.assertIn("config.json", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_private_addresses_are_refused_unless_allowed(self):
        done = self.run_program("classify", self.cat, "--labels", "cat,dog", code=1)
        self.assertIn("--allow-private", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_an_address_that_answers_html(self):
        page = self.cat.replace("cat.png", "page.html")
        done = self.run_program("classify", page, "--allow-private", "--labels", "cat,dog", code=1)
        self.assertEqual(done.stdout, "")
        self.assertIn(page, done.stderr)

    def test_unknown_revisions_and_repositories(self):
        for name in (MODEL + "@no-such-revision", "openai/no-such-model"):
            done = self.run_program("pull", name, code=1)
            self.assertIn("no-such-", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_pull_then_info(self):
        folder = self.run_program("pull", MODEL).stdout.strip()
        self.assertTrue(pathlib.Path(folder, "model.safetensors").is_symlink())
        self.assertEqual(self.run_program("pull", MODEL).stdout.strip(), folder)
        info = json.loads(self.run_program("info", MODEL, "--format", "json", offline=True).stdout)
        self.assertEqual(info["license"], "MIT")
        sources = {fact["source"] for fact in info["facts"]}
        self.assertLessEqual({"config.json", "transformers' default", "table of families"}, sources)

    def test_models_are_listed(self):
        lines = self.run_program("models", "--format", "json").stdout.splitlines()
        self.assertIn(MODEL, [json.loads(line)["id"] for line in lines])
        self.assertIn("known: ", self.run_program("models", "--family", "Nobody", code=2).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
