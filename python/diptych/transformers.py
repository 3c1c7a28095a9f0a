"""transformers' shape: CLIPModel, CLIPProcessor and their Auto classes.

The example of transformers' documentation runs with its import changed. "pt" gives torch tensors where torch is
installed, else arrays that answer to softmax(), detach(), cpu() and numpy() too.
"""

from __future__ import annotations

import os
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from . import _diptych
from ._arrays import Array, check_device, is_tensor, numbers, torch_or_none, wrap

Name = typing.Union[str, "os.PathLike[str]"]

# Arguments of from_pretrained that say how torch should compute, or where to look for files: nothing to be done here.
_IGNORED = {
    "attn_implementation", "cache_dir", "device_map", "dtype", "force_download", "local_files_only",
    "low_cpu_mem_usage", "resume_download", "subfolder", "token", "torch_dtype", "trust_remote_code", "use_auth_token",
    "use_safetensors",
}  # fmt: skip


def _repository(name: Name, options: dict[str, typing.Any]) -> str:
    """The library's name of a model, its revision behind an @."""
    for ignored in _IGNORED & options.keys():
        del options[ignored]
    revision = options.pop("revision", None)
    text = os.fspath(name)
    return text if revision in (None, "main") else f"{text}@{revision}"


class BatchFeature(dict[str, typing.Any]):
    """A dictionary whose values are attributes too."""

    def __getattr__(self, name: str) -> typing.Any:
        if name in self:
            return self[name]
        raise AttributeError(f"BatchFeature has no {name!r}, only {', '.join(self)}")

    def to(self, *where: typing.Any, **options: typing.Any) -> BatchFeature:
        device = where[0] if where else options.get("device")
        check_device(device)
        return self


class CLIPOutput(Mapping[str, typing.Any]):
    """What the model found: by attribute, by name, by position."""

    def __init__(self, **values: typing.Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> typing.Any:
        if name == "loss":
            return None
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"CLIPOutput has no {name!r}, only {', '.join(self._values)}") from None

    def __getitem__(self, key: typing.Any) -> typing.Any:
        return self._values[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def to_tuple(self) -> tuple[typing.Any, ...]:
        return tuple(self._values.values())


def _converted(values: npt.NDArray[typing.Any], kind: str | None) -> typing.Any:
    if kind is None:
        return list(values)
    if kind == "np":
        return values
    if kind == "pt":
        return wrap(values, torch_or_none() is not None)
    raise ValueError(f"return_tensors: {kind!r} is not one of 'np', 'pt' and None")


class CLIPTokenizer:
    """Texts to token ids, those of transformers' tokenizer of the checkpoint."""

    def __init__(self, processor: _diptych.Processor) -> None:
        self._processor = processor
        self.model_max_length = processor.context_length
        self.pad_token_id = processor.pad_id

    @classmethod
    def from_pretrained(cls, name: Name, **options: typing.Any) -> CLIPTokenizer:
        return cls(_diptych.Processor(_repository(name, options)))

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: bool | str = False,
        truncation: bool | str = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_attention_mask: bool = True,
    ) -> BatchFeature:
        """`input_ids` and `attention_mask`: lists, or int64 (N, T) where `return_tensors` is "np" or "pt".

        Errors: ValueError for an empty list, and for texts of unequal length as an array without padding=True;
        TypeError for what is no str. Source: transformers' PreTrainedTokenizer.__call__.
        """
        single = isinstance(text, str)
        cut = truncation not in (False, "do_not_truncate")
        most = self.model_max_length if max_length is None else max_length
        ids: list[list[int]] = self._processor.tokenize([text] if isinstance(text, str) else text, truncate=False)
        if not ids:
            raise ValueError("text: the list is empty")
        if cut:
            # As the reference cuts: the end token is kept.
            ids = [row if len(row) <= most else row[: most - 1] + row[-1:] for row in ids]
        if padding == "max_length":
            width = most
        elif padding in (True, "longest"):
            width = max(map(len, ids))
        elif padding in (False, "do_not_pad"):
            width = 0
        else:
            raise ValueError(f"padding: {padding!r} is not one of True, False, 'longest' and 'max_length'")
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in ids]
        ids = [row + [self.pad_token_id] * (width - len(row)) for row in ids]
        result = BatchFeature(input_ids=ids)
        if return_attention_mask:
            result["attention_mask"] = mask
        if return_tensors is None:
            return BatchFeature({k: v[0] for k, v in result.items()}) if single else result
        if len({len(row) for row in ids}) > 1:
            raise ValueError("texts of different lengths make no array: set padding=True")
        return BatchFeature({k: _converted(np.array(v, dtype=np.int64), return_tensors) for k, v in result.items()})

    def __repr__(self) -> str:
        return f"<CLIPTokenizer of {self._processor.model}: {self._processor.vocab_size} tokens>"


def _is_one_picture(images: typing.Any) -> bool:
    if isinstance(images, (list, tuple)):
        return False
    return getattr(images, "ndim", 3) < 4


def _as_array(image: typing.Any) -> typing.Any:
    """Tensors and channels-first pictures as the library takes them."""
    if is_tensor(image):
        image = image.detach().cpu().numpy()
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3:
        if image.shape[0] in (1, 3) and image.shape[-1] not in (1, 3, 4):
            return np.ascontiguousarray(image.transpose(1, 2, 0))
    return image


class CLIPImageProcessor:
    """Pictures to pixels. `backend` is whose resampling is followed: "pil" or "torchvision"."""

    def __init__(self, processor: _diptych.Processor, backend: str) -> None:
        self._processor = processor
        self.backend = backend
        side = processor.image_size
        self.size = {"shortest_edge": side}
        self.crop_size = {"height": side, "width": side}
        self.image_mean = list(processor.mean)
        self.image_std = list(processor.std)

    @classmethod
    def from_pretrained(cls, name: Name, **options: typing.Any) -> CLIPImageProcessor:
        backend, processor = _load_processor(name, options)
        return cls(processor, backend)

    def __call__(self, images: typing.Any, *, return_tensors: str | None = None) -> BatchFeature:
        """`pixel_values`: float32 (N, 3, S, S), (value / 255 - mean) / std of each channel.

        A picture is a path, bytes, PIL's, uint8 (H, W, C) or (C, H, W), or float (3, S, S) that is normalised already.
        Errors: ValueError for an empty list, other floats and pictures that cannot be read; FileNotFoundError;
        TypeError for what is no picture. Source: transformers' CLIPImageProcessor.preprocess.
        """
        items = [images] if _is_one_picture(images) else list(images)
        if not items:
            raise ValueError("images: the list is empty")
        items = [_as_array(item) for item in items]
        floats = [isinstance(item, np.ndarray) and item.dtype.kind == "f" for item in items]
        if not any(floats):
            return BatchFeature(pixel_values=_converted(self._processor.pixels(items), return_tensors))
        # Arrays of floats have been normalised by their owner.
        side = self._processor.image_size
        for item in items:
            if not isinstance(item, np.ndarray) or item.dtype.kind != "f" or item.shape != (3, side, side):
                shape = getattr(item, "shape", type(item).__name__)
                raise ValueError(f"a picture of floats must be normalised and (3, {side}, {side}), not {shape}")
        return BatchFeature(pixel_values=_converted(np.stack(items).astype(np.float32), return_tensors))

    def __repr__(self) -> str:
        return f"<CLIPImageProcessor of {self._processor.model}: {self._processor.image_size} pixels, {self.backend}>"


def _load_processor(name: Name, options: dict[str, typing.Any]) -> tuple[str, _diptych.Processor]:
    repository = _repository(name, options)
    use_fast = options.pop("use_fast", None)
    backend = options.pop("backend", None)
    if backend is None and use_fast is not None:
        backend = "torchvision" if use_fast else "pil"
    if backend not in (None, *_RESIZE):
        raise ValueError(f"backend: {backend!r} is not one of 'pil' and 'torchvision'")
    options.setdefault("alpha", "white")  # transformers 5 lays transparent pictures on white
    processor = _diptych.Processor(repository, resize=_RESIZE[backend or "pil"], **options)
    if backend is not None:
        return backend, processor
    # transformers 5's own default; folders of others have a reference that resizes as Pillow does.
    if processor.container != "transformers":
        return "pil", processor
    return "torchvision", _diptych.Processor(repository, resize="torchvision", **options)


_RESIZE = {"pil": "pillow", "torchvision": "torchvision"}


class CLIPProcessor:
    """A tokenizer and an image processor in one. Source: transformers' CLIPProcessor."""

    def __init__(self, image_processor: CLIPImageProcessor, tokenizer: CLIPTokenizer) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, name: Name, **options: typing.Any) -> CLIPProcessor:
        backend, processor = _load_processor(name, options)
        return cls(CLIPImageProcessor(processor, backend), CLIPTokenizer(processor))

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        images: typing.Any = None,
        *,
        return_tensors: str | None = None,
        **of_texts: typing.Any,
    ) -> BatchFeature:
        """What the model takes: `input_ids` and `attention_mask` (N, T), `pixel_values` (M, 3, S, S).

        Options and errors are those of CLIPTokenizer.__call__ and CLIPImageProcessor.__call__.
        """
        if text is None and images is None:
            raise ValueError("the processor needs text, images or both")
        if text is not None and not _are_texts(text) and (images is None or _are_texts(images)):
            text, images = images, text  # older examples give the images first
        features = BatchFeature()
        if text is not None:
            features.update(self.tokenizer(text, return_tensors=return_tensors, **of_texts))
        if images is not None:
            features.update(self.image_processor(images, return_tensors=return_tensors))
        return features

    def __repr__(self) -> str:
        return f"<CLIPProcessor: {self.image_processor!r}, {self.tokenizer!r}>"


def _are_texts(value: typing.Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value))


class _Features:
    """transformers 4 gives features, transformers 5 an output that holds them as pooler_output: this is both."""

    @staticmethod
    def of(values: npt.NDArray[np.float32], tensors: bool) -> typing.Any:
        features = wrap(values, tensors)
        features.pooler_output = features
        return features


class CLIPModel:
    """A model in transformers' shape; `.model` is the same in Diptych's own. Source: transformers' CLIPModel."""

    def __init__(self, model: _diptych.Model) -> None:
        self.model = model

    @classmethod
    def from_pretrained(cls, name: Name, **options: typing.Any) -> CLIPModel:
        """A checkpoint's folder, a hub id or "starter"; `revision`, and the options of diptych.load.

        Errors: FileNotFoundError (no such model), OSError (network), ValueError (what cannot be read, or is not
        supported).
        """
        from .model import Model

        return cls(Model(_repository(name, options), **options))

    @property
    def logit_scale(self) -> typing.Any:
        """The logarithm of the scale, as the checkpoint stores it."""
        return wrap(np.array(np.log(self.model.logit_scale), dtype=np.float32), "torch" in sys.modules)

    def get_text_features(self, input_ids: typing.Any, attention_mask: typing.Any = None) -> typing.Any:
        """(N, E) of `input_ids` (N, T), of their own length.

        Errors: ValueError for ids that are no tokens, more of them than the tower takes, or a mask that does not fit.
        """
        return _Features.of(self._texts(input_ids, attention_mask), is_tensor(input_ids))

    def get_image_features(self, pixel_values: typing.Any) -> typing.Any:
        """(N, E) of `pixel_values` (N, 3, S, S), of their own length. Errors: ValueError for shape, NaN, infinity."""
        return _Features.of(self._pictures(pixel_values), is_tensor(pixel_values))

    def _texts(self, input_ids: typing.Any, attention_mask: typing.Any) -> npt.NDArray[np.float32]:
        ids = numbers(input_ids, np.int32)
        if attention_mask is not None:
            mask = numbers(attention_mask, np.int32)
            if mask.shape != ids.shape:
                raise ValueError(f"attention_mask: {mask.shape} does not fit input_ids of {ids.shape}")
            if np.any(np.diff(mask, axis=-1) > 0):
                raise ValueError("attention_mask: texts must be padded on the right")
        return self.model.embed_ids(np.atleast_2d(ids), no_normalize=True)

    def _pictures(self, pixel_values: typing.Any) -> npt.NDArray[np.float32]:
        pixels = numbers(pixel_values, np.float32)
        return np.atleast_2d(self.model.embed(pixels, no_normalize=True))

    def __call__(
        self,
        input_ids: typing.Any = None,
        pixel_values: typing.Any = None,
        attention_mask: typing.Any = None,
        return_dict: bool = True,
    ) -> CLIPOutput | tuple[typing.Any, ...]:
        """`logits_per_image` (M, N) and `logits_per_text` (N, M): scale x cosine; `image_embeds` (M, E) and
        `text_embeds` (N, E), of length 1. torch tensors where one was given, sharing the memory, else arrays.

        Errors: ValueError where one of the two sides is missing, and those of the get_..._features.
        """
        if input_ids is None or pixel_values is None:
            raise ValueError(
                "the model needs input_ids and pixel_values; for one of them alone there are get_text_features and "
                "get_image_features"
            )
        tensors = is_tensor(input_ids) or is_tensor(pixel_values)
        texts, images = self._texts(input_ids, attention_mask), self._pictures(pixel_values)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
        images /= np.linalg.norm(images, axis=1, keepdims=True)
        logits = self.model.logits(images, texts)
        output = CLIPOutput(
            logits_per_image=wrap(logits, tensors),
            logits_per_text=wrap(np.ascontiguousarray(logits.T), tensors),
            text_embeds=wrap(texts, tensors),
            image_embeds=wrap(images, tensors),
        )
        return output if return_dict else output.to_tuple()

    def eval(self) -> CLIPModel:
        return self

    def to(self, *where: typing.Any, **options: typing.Any) -> CLIPModel:
        check_device(where[0] if where else options.get("device"))
        return self

    def __repr__(self) -> str:
        return f"CLIPModel({self.model!r})"


class AutoModel:
    """The class of a checkpoint: every pair of towers that Diptych loads is called in the same way."""

    @staticmethod
    def from_pretrained(name: Name, **options: typing.Any) -> CLIPModel:
        return CLIPModel.from_pretrained(name, **options)


class AutoModelForZeroShotImageClassification(AutoModel):
    pass


class AutoProcessor:
    @staticmethod
    def from_pretrained(name: Name, **options: typing.Any) -> CLIPProcessor:
        return CLIPProcessor.from_pretrained(name, **options)


class AutoTokenizer:
    @staticmethod
    def from_pretrained(name: Name, **options: typing.Any) -> CLIPTokenizer:
        return CLIPTokenizer.from_pretrained(name, **options)


class AutoImageProcessor:
    @staticmethod
    def from_pretrained(name: Name, **options: typing.Any) -> CLIPImageProcessor:
        return CLIPImageProcessor.from_pretrained(name, **options)


__all__ = [
    "Array", "AutoImageProcessor", "AutoModel", "AutoModelForZeroShotImageClassification", "AutoProcessor",
    "AutoTokenizer", "BatchFeature", "CLIPImageProcessor", "CLIPModel", "CLIPOutput", "CLIPProcessor", "CLIPTokenizer",
]  # fmt: skip
