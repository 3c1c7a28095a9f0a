"""sentence-transformers' util, as far as its CLIP examples use it."""

from __future__ import annotations

import typing

import numpy as np

from ._arrays import is_tensor, numbers, torch_is_imported, wrap


def cos_sim(a: typing.Any, b: typing.Any) -> typing.Any:
    """Cosines (rows of a, rows of b): a torch tensor where torch is in use, else an array."""
    tensors = is_tensor(a) or is_tensor(b) or torch_is_imported()
    left, right = (np.atleast_2d(numbers(side, np.float32)) for side in (a, b))
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    return wrap(left @ right.T, tensors)
