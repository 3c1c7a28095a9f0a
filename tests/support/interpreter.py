"""Code in an interpreter of its own."""

import os
import subprocess
import sys
import textwrap


def run(code, **environment):
    """What it prints. It may take 60 s: a deadlock fails the test."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
