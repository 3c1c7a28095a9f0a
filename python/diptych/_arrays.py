"""Arrays for code that was written for torch, where torch is not installed; torch's own tensors where it is."""

from __future__ import annotations

import sys
import typing

import numpy as np
import numpy.typing as npt


class Array(np.ndarray[typing.Any, np.dtype[typing.Any]]):
    """A numpy array that also answers to what CLIP's examples ask of a tensor."""

    @staticmethod
    def of(values: npt.ArrayLike) -> Array:
        return np.asarray(values).view(Array)

    def softmax(self, dim: int = -1) -> Array:
        exps = np.exp(self - np.max(self, axis=dim, keepdims=True))
        return Array.of(exps / np.sum(exps, axis=dim, keepdims=True))

    def sigmoid(self) -> Array:
        return Array.of(1 / (1 + np.exp(-self)))

    def exp(self) -> Array:
        return Array.of(np.exp(self))

    def norm(self, p: float = 2, dim: int | None = None, keepdim: bool = False) -> Array:
        return Array.of(np.linalg.norm(self, ord=p, axis=-1 if dim is None else dim, keepdims=keepdim))

    def unsqueeze(self, dim: int) -> Array:
        return Array.of(np.expand_dims(self, dim))

    def argmax(self, dim: int | None = None, keepdim: bool = False, **numpys: typing.Any) -> typing.Any:
        axis = numpys.pop("axis", dim)
        return Array.of(np.argmax(np.asarray(self), axis=axis, keepdims=keepdim, **numpys))

    def topk(self, k: int, dim: int = -1) -> tuple[Array, Array]:
        order = np.flip(np.argsort(self, axis=dim, kind="stable"), axis=dim).take(range(k), axis=dim)
        return Array.of(np.take_along_axis(np.asarray(self), order, axis=dim)), Array.of(order)

    def detach(self) -> Array:
        return self

    def cpu(self) -> Array:
        return self

    def float(self) -> Array:
        return Array.of(self.astype(np.float32))

    def to(self, *where: typing.Any, **options: typing.Any) -> Array:
        check_device(where[0] if where else options.get("device"))
        return self

    def numpy(self) -> npt.NDArray[typing.Any]:
        return np.asarray(self)


def check_device(device: typing.Any) -> None:
    """Everything is computed by the processor."""
    if device is not None and str(device).split(":")[0] in ("cuda", "mps", "xpu", "hpu", "npu"):
        raise ValueError(f"device {str(device)!r}: Diptych computes on the CPU alone")


def torch_or_none() -> typing.Any:
    """torch, if it is installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def is_tensor(value: typing.Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def wrap(values: npt.NDArray[typing.Any], tensors: bool) -> typing.Any:
    """Without a copy: a tensor that shares the memory, or an Array."""
    if tensors:
        return sys.modules["torch"].from_numpy(values)
    return Array.of(values)


def torch_is_imported() -> bool:
    return "torch" in sys.modules


def numbers(value: typing.Any, dtype: npt.DTypeLike) -> npt.NDArray[typing.Any]:
    """A contiguous numpy array of a tensor, an array or a list; not copied where it is one already."""
    if is_tensor(value):
        value = value.detach().cpu().numpy()
    return np.ascontiguousarray(value, dtype=dtype)
