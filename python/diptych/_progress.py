"""A bar like tqdm's, on a terminal's standard error or in a notebook; nothing elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
import typing


def _in_notebook() -> bool:
    """A kernel with a front end that draws; not IPython's terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def bar(total: int, elapsed: float) -> Bar | None:
    """For a call that has run for `elapsed` seconds; None where nobody would see it."""
    notebook = _in_notebook()
    if notebook or (sys.stderr is not None and sys.stderr.isatty()):
        return Bar(total, elapsed, notebook)
    return None


class Bar:
    def __init__(self, total: int, elapsed: float, notebook: bool) -> None:
        self._total = total
        self._start = time.monotonic() - elapsed
        self._done = 0
        self._display: typing.Any = None
        if notebook:
            display: typing.Any = sys.modules["IPython"].display
            self._display = display.display(display.Pretty(""), display_id=True)

    def line(self, width: int) -> str:
        seconds = time.monotonic() - self._start
        share = min(1.0, self._done / self._total) if self._total else 1.0
        rate = self._done / seconds if seconds > 0 else 0.0
        left = f"{(self._total - self._done) / rate:.0f} s left" if rate > 0 else "..."
        tail = f" {self._done}/{self._total} [{rate:.1f}/s, {left}]"
        room = max(4, width - len(tail) - 7)
        return f"{share:4.0%}|{'█' * int(room * share):<{room}}|{tail}"

    def show(self, done: int) -> None:
        self._done = done
        if self._display is not None:
            display: typing.Any = sys.modules["IPython"].display
            self._display.update(display.Pretty(self.line(80)))
        else:
            sys.stderr.write("\r" + self.line(shutil.get_terminal_size().columns - 1))
            sys.stderr.flush()

    def close(self) -> None:
        if self._display is None:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
