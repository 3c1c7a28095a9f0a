"""PIL's pictures on their way to the library."""

from __future__ import annotations

import collections
import threading
import typing
from collections.abc import Sequence


def decode_all(pictures: Sequence[typing.Any], threads: int) -> None:
    """Decodes the pictures that PIL has only opened, on several threads: it gives up the interpreter's lock meanwhile.

    A picture that cannot be decoded, or that shares its file with another, is left as it is: whoever asks for its
    pixels then gets PIL's error, or has it decoded.
    """
    opened = [picture for picture in pictures if getattr(picture, "tile", None) and getattr(picture, "fp", None)]
    users = collections.Counter(id(picture.fp) for picture in opened)
    waiting = collections.deque(picture for picture in opened if users[id(picture.fp)] == 1)

    def work() -> None:
        while True:
            try:
                picture = waiting.popleft()
            except IndexError:
                return
            try:
                picture.load()
            except Exception:
                pass

    helpers = [threading.Thread(target=work) for _ in range(min(threads, len(waiting)) - 1)]
    try:
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
    finally:
        waiting.clear()  # after Ctrl-C the helpers end with the picture that they are at
