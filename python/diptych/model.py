"""Diptych's own shape: `load(name)` gives a `Model`."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterable

import numpy as np

from . import _diptych
from ._results import Similarity

Picture = typing.Union[str, "os.PathLike[str]", bytes, typing.Any]


class Model(_diptych.Model):
    __doc__ = _diptych.Model.__doc__

    if not typing.TYPE_CHECKING:  # its type is the extension's: the options are declared there

        def __init__(self, model="", **options):
            super().__init__(model, **options)
            self._made_of = (model, options)

    def __reduce__(self) -> tuple[typing.Any, ...]:
        """A model is sent to another process by name: it is loaded anew there."""
        return _reload, self._made_of

    def similarity(
        self,
        pictures: Picture | Iterable[Picture],
        others: Picture | Iterable[Picture] | None = None,
        *,
        texts: str | Iterable[str] | None = None,
        progress: bool | None = None,
    ) -> Similarity:
        """The cosine of pictures with other pictures and with texts; without either, with each other.

        Rows are the pictures, columns the others, then the texts: `matrix` (N, M) float32, from -1 to 1. Errors: those
        of embed().
        """
        rows = _listed(pictures)
        columns = [] if others is None else _listed(others)
        captions = [] if texts is None else [texts] if isinstance(texts, str) else list(texts)
        left = self.embed(rows, progress=progress)
        sides = []
        if columns:
            sides.append(self.embed(columns, progress=progress))
        if captions:
            sides.append(self.embed(texts=captions, progress=progress))
        if not sides:
            columns, sides = rows, [left]
        return Similarity(left @ np.concatenate(sides).T, rows, [*columns, *captions], pictures=len(columns))


def _listed(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    single = isinstance(pictures, (str, bytes, bytearray, memoryview, os.PathLike)) or not hasattr(
        pictures, "__iter__"
    )
    if single or getattr(pictures, "ndim", 4) in (2, 3):
        return [pictures]
    return list(pictures)


def _reload(model: str, options: dict[str, typing.Any]) -> Model:
    return Model(model, **options)


def load(model: str | os.PathLike[str] = "", **options: typing.Any) -> Model:
    """Loads a model: a folder, "starter", a hub id, an open_clip pair such as "ViT-B-32:laion2b_s34b_b79k".

    The default is $DIPTYCH_MODEL, else "starter". For the options see Model.__init__.
    Errors: FileNotFoundError (no such model), OSError (network), ValueError (an option; files that contradict
    themselves or are not supported).
    """
    return Model(model, **options)
