#!/usr/bin/env python3
"""Several processes under Open MPI's mpirun. Python's standard library only. Usage: mpi_test.py BUILD/mpi_ranks"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMI", "PRTE_"))}
# What a root user (a container of CI) needs, and more ranks than cores.
ENVIRONMENT |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def run(*command, **environment):
    # A job that hangs fails by the time limit.
    return subprocess.run([str(part) for part in command], env=ENVIRONMENT | environment, capture_output=True,
                          text=True, timeout=60)


def mpirun(ranks, what, program=PROGRAM):
    return run("mpirun", "-n", ranks, "--oversubscribe", program, what)


def numbers(text):
    return [float(word) for word in text.split()]


class OneProcess(unittest.TestCase):
    def test_loads_no_mpi(self):
        done = run(PROGRAM, "collectives", LD_DEBUG="files")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("libmpi", done.stderr)

    def test_a_build_without_mpi_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(PROGRAM, folder)
            done = run(program, "collectives", OMPI_COMM_WORLD_SIZE="2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("this build of Diptych has no libdiptych_mpi.so", done.stderr)
        self.assertIn("install libopenmpi-dev", done.stderr)

    def test_a_library_that_does_not_load_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(PROGRAM, folder)
            library = pathlib.Path(folder) / "libdiptych_mpi.so"
            library.write_text("no library")
            done = run(program, "collectives", OMPI_COMM_WORLD_SIZE="2")
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(library), done.stderr)

    def test_another_launcher_is_refused(self):
        done = run(PROGRAM, "collectives", PMI_SIZE="4")
        self.assertEqual(done.returncode, 1)
        self.assertIn("PMI_SIZE=4: this launcher is not Open MPI's", done.stderr)


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun (Debian: openmpi-bin)")
class SeveralProcesses(unittest.TestCase):
    def test_collectives(self):
        for ranks in (2, 3, 4):
            done = mpirun(ranks, "collectives")
            self.assertEqual((done.returncode, done.stdout), (0, f"{ranks} processes\n"), done.stderr)

    def test_the_installed_layout(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bin", "lib"):
                (pathlib.Path(folder) / name).mkdir()
            program = shutil.copy(PROGRAM, f"{folder}/bin")
            shutil.copy(PROGRAM.parent / "libdiptych_mpi.so", f"{folder}/lib")
            self.assertEqual(mpirun(2, "collectives", program).stdout, "2 processes\n")

    def test_the_loss_is_that_of_one_process(self):
        alone = numbers(run(PROGRAM, "loss").stdout)
        self.assertEqual(len(alone), 4 + 2 * 24 * 16)
        for ranks in (2, 4):
            together = numbers(mpirun(ranks, "loss").stdout)
            self.assertEqual(len(together), len(alone))
            for a, b in zip(alone, together):
                self.assertAlmostEqual(a, b, delta=1e-6)

    def test_a_process_that_fails_ends_the_job(self):
        done = mpirun(2, "fail")
        self.assertEqual(done.returncode, 3)
        self.assertIn("error: shard-000001.tar: it is broken", done.stderr)
        self.assertNotIn("goes on", done.stdout)

    def test_a_process_that_is_killed_ends_the_job(self):
        done = mpirun(4, "die")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("rank 3", done.stderr)
        self.assertIn("signal 9", done.stderr)
        self.assertNotIn("goes on", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
