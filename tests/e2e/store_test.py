#!/usr/bin/env python3
"""index, search, dedup and store as their users see them. Python's standard library only.
Usage: store_test.py BUILD/diptych SOURCE_DIR"""

import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import unittest

from program import EXAMPLES, PICTURES, PROGRAM, SHARED, TemporaryFolderCase, environment, rows, run

NAMES = ["cat.png", "coffee.jpg", "rocket.jpg"]


class Case(TemporaryFolderCase):
    def setUp(self):
        super().setUp()
        self.photos = self.tmp / "photos"
        self.photos.mkdir()
        for name in NAMES:
            shutil.copy(EXAMPLES / name, self.photos)
        self.store = self.tmp / "s"

    def index(self, *arguments, code=0):
        return rows("index", *(arguments or [self.photos]), "--store", self.store, code=code)[0]

    def stored(self):
        """The paths in the store, sorted; every one once."""
        paths = [row["path"] for row in rows("search", "a", "--store", self.store, "--top", 100)]
        self.assertEqual(len(paths), len(set(paths)))
        return sorted(str(pathlib.Path(path).relative_to(self.tmp)) for path in paths)

    def fails(self, *arguments, code, contains):
        done = run(*arguments, code=code)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(contains, done.stderr)


class Index(Case):
    def test_only_what_changed(self):
        self.assertEqual(self.index()["added"], 3)
        again = self.index()
        self.assertEqual((again["added"], again["unchanged"]), (0, 3))

        (self.photos / "sub").mkdir()
        (self.photos / "cat.png").rename(self.photos / "sub" / "pet.png")  # renamed
        shutil.copy(EXAMPLES / "coffee.jpg", self.photos / "rocket.jpg")  # other bytes
        shutil.copy(PICTURES / "rgb.png", self.photos)  # new
        (self.photos / "coffee.jpg").unlink()  # gone
        (self.photos / "broken.jpg").write_bytes(b"no picture")
        counts = self.index(code=3)
        self.assertEqual({k: counts[k] for k in ("added", "changed", "renamed", "unchanged", "removed", "skipped")},
                         {"added": 1, "changed": 1, "renamed": 1, "unchanged": 0, "removed": 1, "skipped": 1})
        self.assertEqual(self.stored(), ["photos/rgb.png", "photos/rocket.jpg", "photos/sub/pet.png"])
        best = rows("search", "--image", EXAMPLES / "cat.png", "--store", self.store, "--top", "1")[0]
        self.assertTrue(best["path"].endswith("sub/pet.png"))
        best = rows("search", "a photo of a cup of coffee", "--store", self.store, "--top", "1")[0]
        self.assertTrue(best["path"].endswith("rocket.jpg"))  # its vector is that of its new bytes

        os.utime(self.photos / "rgb.png", (1, 1))  # touched: not embedded anew
        (self.photos / "broken.jpg").unlink()
        self.assertEqual(self.index()["unchanged"], 3)
        run("store", "verify", self.store)
        self.assertIn("2 vectors dropped", run("store", "gc", self.store).stdout)
        self.assertEqual(len(self.stored()), 3)

    def test_a_damaged_vector_is_made_again(self):
        self.index()
        best = rows("search", "a rocket", "--store", self.store)
        file = self.store / "vectors-0.bin"
        damaged = bytearray(file.read_bytes())
        damaged[4096:4096 + 64] = bytes(64)
        file.write_bytes(damaged)
        self.assertIn("its vector is damaged", run("store", "verify", self.store, code=1).stdout)
        counts = self.index()
        self.assertEqual((counts["changed"], counts["unchanged"]), (1, 2))
        run("store", "verify", self.store)
        self.assertEqual(rows("search", "a rocket", "--store", self.store), best)

    def test_folders_apart(self):
        other = self.tmp / "other"
        other.mkdir()
        shutil.copy(PICTURES / "rgb.jpg", other)
        self.index(self.photos)
        self.assertEqual(self.index(other)["removed"], 0)  # photos/ was not looked at
        self.assertEqual(len(self.stored()), 4)
        shutil.rmtree(self.photos)
        self.photos.mkdir()  # an empty folder is more likely a disk that is not mounted
        self.index(self.photos, code=1)
        self.assertEqual(len(self.stored()), 4)

    def test_archives_and_shards(self):
        with tarfile.open(self.tmp / "a.tar", "w") as tar:
            for name in NAMES:
                tar.add(EXAMPLES / name, name)
        self.assertEqual(self.index(self.tmp / "a.tar")["added"], 3)
        self.assertEqual(self.index(self.tmp / "a.tar")["unchanged"], 3)
        parts = []
        for i in range(2):
            part = self.tmp / f"part{i}"
            parts.append(part)
            count = rows("index", PICTURES, "--store", part, "--shard", f"{i}/2")[0]
            self.assertGreater(count["pictures"], 10)
        run("store", "merge", self.tmp / "all", *parts)
        whole = self.tmp / "whole"
        rows("index", PICTURES, "--store", whole)
        find = lambda store: sorted((row["path"], row["score"])
                                    for row in rows("search", "a cat", "--store", store, "--top", 1000))
        self.assertEqual(find(self.tmp / "all"), find(whole))

    def test_killed_at_any_moment(self):
        many = self.tmp / "many"
        many.mkdir()
        for i in range(60):
            shutil.copy(PICTURES / "rgb.jpg", many / f"{i}.jpg")
            with open(many / f"{i}.jpg", "ab") as file:
                file.write(bytes([i]))  # after the picture's end: other bytes, not renamed ones
        rng = random.Random(7)
        for _ in range(8):
            process = subprocess.Popen([str(PROGRAM), "index", many, "--store", self.store, "--commit-every", "3"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
            time.sleep(rng.random() * 1.5)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertEqual(self.index(many)["pictures"], 60)
        run("store", "verify", self.store)
        self.assertEqual(len(self.stored()), 60)

    def test_a_full_disk(self):
        self.index()
        copies = self.tmp / "copies"
        copies.mkdir()
        for i in range(12):
            shutil.copy(PICTURES / "rgb.jpg", copies / f"{i}.jpg")
        limit = max(file.stat().st_size for file in self.store.iterdir()) + 5000

        def nearly_full():  # no file may grow beyond it; without its signal, as on a disk that is full
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        command = [str(PROGRAM), "index", copies, "--store", self.store, "--commit-every", "4", "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), restore_signals=False,
                              preexec_fn=nearly_full, timeout=100)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(self.store), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        run("store", "verify", self.store)
        self.assertTrue(set(f"photos/{name}" for name in NAMES) <= set(self.stored()))
        self.assertEqual(self.index(copies)["pictures"], 15)
        self.assertEqual(len(self.stored()), 15)

    def test_two_writers(self):
        self.index()
        import fcntl
        with open(self.store / "lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.fails("index", self.photos, "--store", self.store, code=1, contains="another process is writing")
            self.assertEqual(len(self.stored()), 3)  # reading goes on

    def test_bad_input(self):
        self.fails("index", self.photos, code=2, contains="--store")
        self.fails("index", self.photos, "--store", self.store, "--shard", "2/2", code=2, contains="i/n")
        self.fails("search", "a", "--store", self.store, code=1, contains="no store here")
        self.index()
        self.fails("search", "--store", self.store, code=2, contains="nothing to look for")
        self.fails("search", "a", "--store", self.store, "--where", "width >> 5", code=2, contains="at character 8")
        self.fails("search", "--image", self.tmp / "none.jpg", "--store", self.store, code=1, contains="none.jpg")
        (self.store / "vectors-0.bin").write_bytes(b"")
        self.fails("search", "a", "--store", self.store, code=1, contains="vectors-0.bin")


class Parts(Case):
    def lines(self, folder):
        return sorted(line for file in folder.glob("*.paths.txt") for line in file.read_text().splitlines())

    def test_embed_in_parts(self):
        whole, parts = self.tmp / "whole", self.tmp / "parts"
        whole.mkdir(), parts.mkdir()
        run("embed", PICTURES, "--out", whole / "all.npy", code=0)
        for i in range(3):
            run("embed", PICTURES, "--out", parts / f"{i}.npy", "--shard", f"{i}/3")
        self.assertEqual(self.lines(parts), self.lines(whole))
        self.assertGreater(min(len(f.read_text().splitlines()) for f in parts.glob("*.paths.txt")), 3)
        again = (parts / "1.npy").read_bytes()
        (parts / "1.npy").unlink()  # a part that was lost is made anew by itself
        run("embed", PICTURES, "--out", parts / "1.npy", "--shard", "1/3")
        self.assertEqual((parts / "1.npy").read_bytes(), again)
        self.fails("embed", PICTURES, "--shard", "3/3", code=2, contains="i/n")

    @unittest.skipUnless(shutil.which("mpirun"), "needs Open MPI")
    def test_mpirun(self):
        settings = environment() | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

        def job(*arguments):
            done = subprocess.run(["mpirun", "-n", "2", "--oversubscribe", PROGRAM, *arguments, "--threads", "1"],
                                  capture_output=True, text=True, env=settings, timeout=200)
            self.assertEqual(done.returncode, 0, done.stderr)

        parts = self.tmp / "parts"
        parts.mkdir()
        job("embed", PICTURES, "--out", parts / "a.npy")
        self.assertEqual(sorted(f.name for f in parts.glob("*.npy")), ["a-0-of-2.npy", "a-1-of-2.npy"])
        run("embed", PICTURES, "--out", self.tmp / "whole.npy")
        self.assertEqual(self.lines(parts), self.lines(self.tmp))
        job("index", PICTURES, "--store", self.tmp / "a.store")
        job("index", PICTURES, "--store", self.tmp / "a.store")  # again: nothing to do
        made = [self.tmp / f"a-{i}-of-2.store" for i in range(2)]
        run("store", "merge", self.tmp / "all.store", *made)
        self.assertEqual(rows("store", "info", self.tmp / "all.store")[0]["pictures"], len(self.lines(parts)))


class Watch(Case):
    def test_follows_a_folder(self):
        process = subprocess.Popen([str(PROGRAM), "watch", self.photos, "--store", self.store, "--format", "json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        try:
            told = lambda: json.loads(process.stdout.readline())
            self.assertEqual(told()["added"], 3)
            shutil.copy(PICTURES / "rgb.jpg", self.photos / "new.jpg")
            self.assertEqual(told()["added"], 1)
            run("store", "verify", self.store)  # the store is free meanwhile
            run("store", "gc", self.store)
            (self.photos / "sub").mkdir()
            (self.photos / "new.jpg").rename(self.photos / "sub/moved.jpg")
            self.assertEqual(told()["renamed"], 1)
            (self.photos / "broken.jpg").write_bytes(b"no picture")
            shutil.rmtree(self.photos / "sub")
            self.assertEqual(told()["removed"], 1)
            shutil.copy(EXAMPLES / "coffee.jpg", self.photos / "cup.jpg")
            self.assertEqual(told()["pictures"], 4)
            process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (0, ""), errors)
            self.assertEqual(errors.count("broken.jpg"), 1, errors)  # told of once, though met in each round
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(self.stored(), ["photos/cat.png", "photos/coffee.jpg", "photos/cup.jpg", "photos/rocket.jpg"])

    def test_bad_input(self):
        self.fails("watch", self.photos / "cat.png", "--store", self.store, code=2, contains="is not a folder")
        self.fails("watch", self.photos, code=2, contains="--store")
        self.fails("watch", "--store", self.store, code=2, contains="none was named")


class Search(Case):
    def test_words_pictures_and_sums(self):
        self.index()
        find = lambda *arguments: [pathlib.Path(row["path"]).name
                                   for row in rows("search", *arguments, "--store", self.store)]
        for words, name in (("a cat", "cat.png"), ("a photo of a cup of coffee", "coffee.jpg"),
                            ("a rocket", "rocket.jpg")):
            self.assertEqual(find(words)[0], name)
        hit = rows("search", "--image", EXAMPLES / "rocket.jpg", "--store", self.store, "--exact")[0]
        self.assertAlmostEqual(hit["score"], 1, delta=1e-3)
        self.assertTrue(hit["path"].endswith("rocket.jpg"))
        rocket, coffee = EXAMPLES / "rocket.jpg", EXAMPLES / "coffee.jpg"
        found = find("--query", f"2:{coffee} - {rocket} + 0.1:a cat")
        self.assertEqual((found[0], found[-1]), ("coffee.jpg", "rocket.jpg"))
        self.assertEqual(find("--query", "a cat + a rocket - a photo of a cup of coffee")[-1], "coffee.jpg")
        self.assertEqual(find("a cat", "--top", "1"), ["cat.png"])

    def test_filters_and_cutoff(self):
        self.index()
        find = lambda *arguments: sorted(pathlib.Path(row["path"]).name
                                         for row in rows("search", *arguments, "--store", self.store))
        self.assertEqual(find("a", "--where", "name like '%.jpg'"), ["coffee.jpg", "rocket.jpg"])
        self.assertEqual(find("a", "--where", "width < 1 or name = 'cat.png'"), ["cat.png"])
        self.assertEqual(find("a", "--where", "width < 1"), [])
        self.assertEqual(find("a rocket", "--fdr"), ["rocket.jpg"])
        self.assertEqual(find("a rocket", "--fdr", "1"), NAMES)
        self.assertEqual(find("--image", EXAMPLES / "cat.png", "--fdr", "1"), NAMES)
        self.assertEqual(find("an excavator", "--fdr", "0.1"), [])
        self.assertEqual(find("a rocket", "--likely"), ["rocket.jpg"])
        self.assertEqual(find("an excavator", "--likely"), [])
        self.fails("search", "--image", EXAMPLES / "cat.png", "--likely", "--store", self.store, code=2,
                   contains="use fdr")

    def test_outputs(self):
        self.index()
        page = self.tmp / "found.html"
        done = run("search", "a <cat>", "--store", self.store, "--format", "paths", "--html", page)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        text = page.read_text()
        self.assertEqual(text.count("data:image/png;base64,"), 3)
        self.assertIn("a &lt;cat&gt;", text)
        self.assertEqual(run("search", "a cat", "--store", self.store, "--format", "csv").stdout.splitlines()[0],
                         "path,score,chance")

    def test_export_and_import(self):
        self.index()
        run("store", "export", self.store, self.tmp / "out")
        data = (self.tmp / "out/img_emb/img_emb_0.npy").read_bytes()
        length = struct.unpack("<H", data[8:10])[0]
        self.assertIn(b"'<f2'", data[:10 + length])
        self.assertEqual(len(data) - 10 - length, 3 * 384 * 2)
        parquet = (self.tmp / "out/metadata/metadata_0.parquet").read_bytes()
        self.assertEqual((parquet[:4], parquet[-4:]), (b"PAR1", b"PAR1"))
        run("store", "import", self.tmp / "again", self.tmp / "out/img_emb/img_emb_0.npy")
        old, new = (rows("search", "a cat", "--store", s) for s in (self.store, self.tmp / "again"))
        self.assertEqual([r["path"] for r in old], [r["path"] for r in new])
        info = rows("store", "info", self.tmp / "again")[0]
        self.assertEqual((info["pictures"], info["embed_dim"], info["model"]), (3, 384, "starter"))


class Dedup(Case):
    def test_groups_and_moves(self):
        shutil.copy(EXAMPLES / "cat.png", self.photos / "copy of cat.png")
        found = rows("dedup", self.photos, "--html", self.tmp / "groups.html", "--drop-list", self.tmp / "drop",
                     "--keep-list", self.tmp / "keep")
        self.assertEqual([(pathlib.Path(r["path"]).name, r["group"], r["keep"], r["tier"]) for r in found],
                         [("cat.png", 0, True, "exact"), ("copy of cat.png", 0, False, "exact")])
        self.assertEqual(len(list(self.photos.iterdir())), 4)  # nothing moves unasked
        self.assertEqual((self.tmp / "drop").read_text().splitlines(), [str(self.photos / "copy of cat.png")])
        self.assertEqual(len((self.tmp / "keep").read_text().splitlines()), 3)
        self.assertEqual((self.tmp / "groups.html").read_text().count("data:image/png"), 2)

        moved = self.tmp / "moved"
        run("dedup", self.photos, "--apply", "--move-to", moved)
        self.assertEqual(sorted(p.name for p in moved.iterdir()), ["copy of cat.png", "undo.jsonl"])
        self.assertEqual(sorted(p.name for p in self.photos.iterdir()), NAMES)
        self.fails("dedup", self.photos, "--apply", "--move-to", moved, code=2, contains="earlier run")
        run("dedup", "--undo", moved / "undo.jsonl")
        self.assertEqual(len(list(self.photos.iterdir())), 4)

    def test_copies_are_found_without_a_model(self):
        os.mkdir(self.photos / "more")
        shutil.copy(EXAMPLES / "cat.png", self.photos / "more/copy.png")
        (self.photos / "more/broken.jpg").write_bytes(b"no picture")
        run("index", self.photos, "--store", self.store, code=3)
        wanted = rows("dedup", "--store", self.store, "--tier", "near")
        found = rows("dedup", self.photos, "--tier", "near", "--model", self.tmp / "none", code=3)
        self.assertEqual([(r["path"], r["tier"], r["keep"]) for r in found],
                         [(r["path"], r["tier"], r["keep"]) for r in wanted])
        self.assertEqual([r["cosine"] for r in found], [None, None])
        self.assertEqual([r["cosine"] for r in wanted], [1, 1])
        self.fails("dedup", self.photos, "--tier", "near", "--keep", "central", "--model", self.tmp / "none", code=1,
                   contains="none")

    def test_against(self):
        self.index()
        other = self.tmp / "other"
        other.mkdir()
        for name in ("rgb.png", "gray.png"):
            shutil.copy(PICTURES / name, other)
        shutil.copy(EXAMPLES / "rocket.jpg", other / "test.jpg")
        rows("index", other, "--store", self.tmp / "o")
        found = rows("dedup", "--store", self.store, "--against", self.tmp / "o")
        self.assertEqual([(pathlib.Path(r["path"]).name, r["keep"]) for r in found],
                         [("test.jpg", True), ("rocket.jpg", False)])

    def test_shards(self):
        archive = self.tmp / "a.tar"
        with tarfile.open(archive, "w") as tar:
            for i, name in enumerate(["rocket.jpg", "coffee.jpg", "rocket.jpg"]):
                tar.add(EXAMPLES / name, f"{i}.jpg")
                (self.tmp / "text").write_text(name)
                tar.add(self.tmp / "text", f"{i}.txt")
        run("dedup", archive, "--shards", self.tmp / "clean", "--keep", "first")
        with tarfile.open(self.tmp / "clean/a.tar") as tar:
            self.assertEqual(tar.getnames(), ["0.jpg", "0.txt", "1.jpg", "1.txt"])
            self.assertEqual(tar.extractfile("1.txt").read(), b"coffee.jpg")

    @unittest.skipUnless((SHARED / "data/samples/neardup").is_dir(), "needs the sample pictures")
    def test_eight_variants(self):
        results = [rows("dedup", SHARED / "data/samples/neardup", self.photos, "--threads", n) for n in (1, 2)]
        self.assertEqual(results[0], results[1])
        groups = {}
        for row in results[0]:
            groups.setdefault(row["group"], {})[pathlib.Path(row["path"]).name] = row["tier"]
        variants = next(group for group in groups.values() if "original.jpg" in group)
        self.assertEqual(len(set(variants) - {"cat.png"}), 8, groups)
        self.assertEqual((variants["hflip.jpg"], variants["rot5.jpg"]), ("semantic", "semantic"))
        for name in ("half.jpg", "q25.jpg", "gray.jpg", "bright.jpg"):
            self.assertEqual(variants[name], "near", name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
