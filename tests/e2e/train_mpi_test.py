#!/usr/bin/env python3
"""`diptych train` in several processes under Open MPI's mpirun.
Usage: train_mpi_test.py BUILD/diptych SOURCE_DIR"""

import os
import shutil
import signal
import subprocess
import sys
import unittest

from training import ENVIRONMENT, PROGRAM, STATE, WEIGHTS, Case, pair, rows_of, sha, steps_of, write_shard

MPIRUN = ["mpirun", "--oversubscribe"]


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun (Debian: openmpi-bin)")
class SeveralProcesses(Case):
    def job(self, ranks, out, *more, code=0, **changes):
        command = [*MPIRUN, "-n", str(ranks), str(PROGRAM), *self.flags(out, "--threads", "1", *more, **changes)]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return rows_of(done.stdout), done.stderr

    def assert_same_curve(self, a, b):
        self.assertEqual(list(a), list(b))
        for step in a:
            self.assertAlmostEqual(a[step], b[step], delta=1e-4)

    def test_the_curve_is_that_of_one_process(self):
        recipe = ["--flip", "0.5", "--ema", "0.9"]
        for name, more in {"plain": [], "pieces": ["--accum", "2"], "siglip": ["--loss", "siglip"]}.items():
            alone = steps_of(self.train(f"{name}1", *recipe, *more, steps=10)[0])
            for ranks in (2, 4):
                rows, errors = self.job(ranks, f"{name}{ranks}", *recipe, *more, steps=10)
                self.assert_same_curve(steps_of(rows), alone)
                self.assertEqual(errors.count("done after step 10 of 10"), 1, errors)  # one of them writes
        self.assert_model_works("plain4")

    def test_it_goes_on_with_another_number_of_processes(self):
        whole, _ = self.job(2, "whole", steps=12)
        code, rows, errors = self.start_and_signal("run", signal.SIGUSR1, "--threads", "1", after=4, steps=12,
                                                   launcher=[*MPIRUN, "-n", "2"])
        self.assertEqual(code, 0, errors)
        last = rows[-1]["step"]
        self.assertLess(last, 12)
        self.assertIn(f"stopped after step {last} of 12", errors)
        for ranks, out in ((2, "same"), (4, "other")):
            shutil.copytree(self.tmp / "run", self.tmp / out)
            rest, _ = self.job(ranks, out, "--resume", steps=12)
            self.assertEqual(rest[0]["step"], last + 1)
            self.assert_same_curve(steps_of(rows) | steps_of(rest), steps_of(whole))
        self.assertEqual(sha(self.tmp / "same" / WEIGHTS), sha(self.tmp / "whole" / WEIGHTS))

    def test_a_killed_process_ends_the_job(self):
        # Each process leaves its number, so that the right one can be killed.
        script = f'echo $$ > "{self.tmp}/pid$OMPI_COMM_WORLD_RANK"; exec "$0" "$@"'
        launcher = [*MPIRUN, "-n", "2", "sh", "-c", script]
        code, rows, errors = self.start_and_signal(
            "run", signal.SIGKILL, "--checkpoint-every", "2", after=5, steps=1000, launcher=launcher,
            victim=lambda: int((self.tmp / "pid1").read_text()))
        self.assertNotEqual(code, 0)
        self.assertIn("rank 1", errors)
        self.assertIn("signal 9", errors)
        self.assertNotIn("done after", errors)
        self.assert_model_works("run")
        rest, errors = self.train("run", "--checkpoint-every", "2", "--resume", code=2, steps=1001)
        self.assertIn("--steps", errors)  # the state is whole: it is read and compared

    def test_errors_are_told_once(self):
        _, errors = self.job(2, "odd", "--batch", "7", code=2)
        self.assertEqual(errors.count("cannot be shared equally by 2 processes"), 1, errors)
        _, errors = self.job(4, "run", "--lr", "1e30", "--warmup", "0", "--checkpoint-every", "1", steps=9, code=1)
        self.assertEqual(errors.count("is not a finite number"), 1, errors)
        self.assertEqual(errors.count("pairs-000000.tar/"), 8, errors)  # of all processes
        self.assertTrue((self.tmp / "run" / STATE).exists())
        os.remove(self.shard)
        _, errors = self.job(2, "none", code=1)
        self.assertEqual(errors.count("no such file"), 1, errors)

    def test_what_any_process_skipped_is_counted_once(self):
        samples = {f"{index:06d}": pair(index) for index in range(24)}
        for index in range(5):
            samples[f"broken{index}"] = {"png": b"none", "txt": b"text"}
        write_shard(self.shard, samples)
        rows, errors = self.job(2, "run", steps=16, code=3)
        self.assertEqual(len(rows), 16)
        self.assertEqual(errors.count("diptych train: skipped 5 broken pictures ("), 1, errors)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
