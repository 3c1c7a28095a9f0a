"""The built program as the tests beside this file run it: the first two arguments of a test are PROGRAM and SOURCE."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
EXAMPLES, PICTURES = SOURCE / "examples", SOURCE / "tests/pictures"
SHARED = SOURCE.parent / "shared"


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("DIPTYCH_")}


def run(*arguments, code=0, **options):
    """Runs the program and checks its exit code, and that what it writes is text. `options`: of subprocess.run."""
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], capture_output=True, text=True,
                          **{"env": environment(), "timeout": 300} | options)
    shown = f"{arguments}: exit code {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
    assert done.returncode == code, shown
    return done


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def rows(*arguments, **options):
    return rows_of(run(*arguments, "--format", "json", **options).stdout)


class TemporaryFolderCase(unittest.TestCase):
    """Has a temporary folder."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.tmp = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()
