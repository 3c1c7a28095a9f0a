#!/usr/bin/env python3
"""The well-known example by name and by address, against a hub and a picture server on the loopback. Python's standard
library only. Usage: hub_test.py BUILD/diptych BUILD/fake_hub SOURCE_DIR"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM, FAKE_HUB, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
sys.path.insert(0, str(SOURCE / "tests/support"))
from made_checkpoint import write_checkpoint  # noqa: E402

MODEL = "openai/clip-vit-base-patch32"
PROMPTS = ["--template", "{}", "--labels", "a photo of a cat,a photo of a dog"]


class HubTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.temporary.name)
        (root / "model").mkdir()
        cls.golden = write_checkpoint(root / "model", "hf_legacy_eos")
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
        for label, expected in zip(("a photo of a cat", "a photo of a dog"), self.golden["cat_probabilities"]):
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
