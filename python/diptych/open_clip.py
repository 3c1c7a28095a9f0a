"""open_clip's shape: `from diptych import open_clip` in the place of `import open_clip`.

Tensors where the program has imported torch, else arrays that answer to unsqueeze(), norm() and softmax() too.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from . import _diptych
from ._arrays import check_device, is_tensor, numbers, torch_is_imported, wrap

# Arguments of open_clip's functions that say how torch should compute: nothing to be done here.
_IGNORED = {
    "cache_dir", "force_custom_text", "force_preprocess_cfg", "jit", "load_weights", "load_weights_only",
    "output_dict", "pretrained_hf", "pretrained_image", "return_transform", "weights_only",
}  # fmt: skip


def _name(model_name: str, pretrained: typing.Any) -> str:
    """Diptych's name for the weights."""
    for scheme in ("hf-hub:", "local-dir:"):
        if model_name.startswith(scheme):
            return model_name[len(scheme) :]
    if pretrained:
        path = os.fspath(pretrained)
        if os.path.isdir(path):
            return path
        if os.path.isfile(path):
            return os.path.dirname(os.path.abspath(path))
        return f"{model_name.replace('/', '-')}:{path}"
    if os.path.isdir(model_name) or model_name == "starter":
        return model_name
    raise ValueError(
        f"{model_name}: random weights are for training, see diptych.train; name the weights with pretrained="
    )


class Preprocess:
    """A picture to what the image tower sees: (3, S, S)."""

    def __init__(self, processor: _diptych.Processor) -> None:
        self._processor = processor

    def __call__(self, picture: typing.Any) -> typing.Any:
        return wrap(self._processor.pixels([picture])[0], torch_is_imported())

    def __repr__(self) -> str:
        return f"Preprocess({self._processor!r})"


class Tokenizer:
    """Texts to token ids (N, context_length), padded."""

    def __init__(self, processor: _diptych.Processor, context_length: int | None = None) -> None:
        self._processor = processor
        self.context_length = context_length or processor.context_length
        if self.context_length > processor.context_length:
            raise ValueError(f"context_length: this model takes at most {processor.context_length} tokens")

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> typing.Any:
        width = context_length or self.context_length
        rows: list[list[int]] = self._processor.tokenize([texts] if isinstance(texts, str) else texts)
        ids = np.full((len(rows), width), self._processor.pad_id, dtype=np.int64)
        for line, row in zip(ids, rows):
            # As the reference cuts: the end token is kept.
            kept = row if len(row) <= width else row[: width - 1] + row[-1:]
            line[: len(kept)] = kept
        return wrap(ids, torch_is_imported())

    def __repr__(self) -> str:
        return f"Tokenizer({self._processor!r}, context_length={self.context_length})"


class _Visual:
    def __init__(self, side: int) -> None:
        self.image_size = (side, side)


class CLIP:
    """A model in open_clip's shape; `.model` is the same in Diptych's own."""

    def __init__(self, model: _diptych.Model) -> None:
        self.model = model
        self.visual = _Visual(model.image_size)
        self.context_length = model.context_length

    @property
    def logit_scale(self) -> typing.Any:
        """The logarithm of the scale, as the checkpoint stores it."""
        return wrap(np.array(np.log(self.model.logit_scale), dtype=np.float32), torch_is_imported())

    @property
    def logit_bias(self) -> typing.Any:
        bias = self.model.logit_bias
        return wrap(np.array(bias, dtype=np.float32), torch_is_imported()) if bias else None

    def encode_image(self, image: typing.Any, normalize: bool = False) -> typing.Any:
        """(N, E) of pixels (N, 3, S, S), or of pictures: paths, PIL pictures, arrays of uint8.

        Errors: ValueError for another shape, NaN and pictures that cannot be read; FileNotFoundError; TypeError.
        Source: open_clip's CLIP.encode_image.
        """
        tensors = is_tensor(image) or torch_is_imported()
        if is_tensor(image) or (isinstance(image, np.ndarray) and image.dtype.kind == "f"):
            image = numbers(image, np.float32)
        return wrap(np.atleast_2d(self.model.embed(image, no_normalize=not normalize)), tensors)

    def encode_text(self, text: typing.Any, normalize: bool = False) -> typing.Any:
        """(N, E) of token ids (N, context_length). Errors: ValueError for ids that are no tokens.

        Source: open_clip's CLIP.encode_text.
        """
        tensors = is_tensor(text) or torch_is_imported()
        ids: npt.NDArray[np.int32] = np.atleast_2d(numbers(text, np.int32))
        return wrap(self.model.embed_ids(ids, no_normalize=not normalize), tensors)

    def __call__(self, image: typing.Any, text: typing.Any) -> tuple[typing.Any, typing.Any, typing.Any]:
        """Embeddings of length 1 of both, (M, E) and (N, E), and the scale of their cosines."""
        return self.encode_image(image, normalize=True), self.encode_text(text, normalize=True), self.logit_scale.exp()

    def eval(self) -> CLIP:
        return self

    def to(self, *where: typing.Any, **options: typing.Any) -> CLIP:
        check_device(where[0] if where else options.get("device"))
        return self

    def __repr__(self) -> str:
        return f"CLIP({self.model!r})"


def create_model(model_name: str, pretrained: typing.Any = None, **options: typing.Any) -> CLIP:
    """A model by open_clip's names: an architecture and a tag, "hf-hub:ID", "local-dir:FOLDER"; options as of load().

    Errors: FileNotFoundError (no such model or tag), OSError (network), ValueError (no weights named, another device
    than the CPU, what cannot be read). Source: open_clip.factory.
    """
    from .model import Model

    check_device(options.pop("device", None))
    for ignored in _IGNORED & options.keys():
        del options[ignored]
    model = CLIP(Model(_name(model_name, pretrained), **options))
    _processors[model_name.replace("/", "-")] = model.model.processor
    return model


def create_model_and_transforms(
    model_name: str, pretrained: typing.Any = None, **options: typing.Any
) -> tuple[CLIP, Preprocess, Preprocess]:
    """The model and its preprocessing, twice: where open_clip has the random crops of training there is none here."""
    model = create_model(model_name, pretrained, **options)
    preprocess = Preprocess(model.model.processor)
    return model, preprocess, preprocess


def create_model_from_pretrained(
    model_name: str, pretrained: typing.Any = None, **options: typing.Any
) -> tuple[CLIP, Preprocess]:
    """The model and its preprocessing; see create_model."""
    model = create_model(model_name, pretrained, **options)
    return model, Preprocess(model.model.processor)


def get_tokenizer(model_name: str, context_length: int | None = None, **ignored: typing.Any) -> Tokenizer:
    """Of a model that was created by this name, of a checkpoint, or of an architecture that open_clip publishes."""
    name = model_name.replace("/", "-")
    if name in _processors:
        return Tokenizer(_processors[name], context_length)
    if model_name.startswith(("hf-hub:", "local-dir:")) or os.path.isdir(model_name) or model_name == "starter":
        return Tokenizer(_diptych.Processor(_name(model_name, None)), context_length)
    return Tokenizer(_diptych.Processor.of_architecture(name), context_length)


_processors: dict[str, _diptych.Processor] = {}

__all__ = [
    "CLIP", "Preprocess", "Tokenizer", "create_model", "create_model_and_transforms", "create_model_from_pretrained",
    "get_tokenizer",
]  # fmt: skip
