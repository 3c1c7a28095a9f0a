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


INTERRUPTED = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
{prepare}
sent = []
def interrupt():
    time.sleep(0.5)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {call}
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
"""


def seconds_to_interrupt(prepare, call):
    """From Ctrl-C, half a second after the begin of `call`, an expression of some time, to KeyboardInterrupt."""
    return float(run(INTERRUPTED.format(prepare=textwrap.dedent(prepare), call=call)))
