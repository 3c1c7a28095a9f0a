"""sentence-transformers' shape: SentenceTransformer with encode() and similarity()."""

from __future__ import annotations

import os
import typing

import numpy as np
import numpy.typing as npt

from . import util as util
from ._arrays import check_device, torch_or_none, wrap
from .model import Model

# sentence-transformers' names of OpenAI's models.
_NAMES = {
    "clip-ViT-B-32": "openai/clip-vit-base-patch32",
    "clip-ViT-B-16": "openai/clip-vit-base-patch16",
    "clip-ViT-L-14": "openai/clip-vit-large-patch14",
}


class SentenceTransformer:
    """A model that takes a str for a text and everything else for a picture; `.model` is Diptych's own."""

    def __init__(self, model_name_or_path: str | os.PathLike[str], device: typing.Any = None, **options: typing.Any):
        check_device(device)
        name = os.fspath(model_name_or_path).removeprefix("sentence-transformers/")
        self.model = Model(_NAMES.get(name, name), **options)

    def encode(
        self,
        sentences: typing.Any,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        device: typing.Any = None,
    ) -> typing.Any:
        """(N, E) float32, (E,) of a single text or picture; of length 1 with `normalize_embeddings`.

        The batch size is the library's own affair. Errors: ValueError for an empty list and unreadable pictures;
        FileNotFoundError; TypeError for what is no picture. Source: sentence_transformers' SentenceTransformer.encode.
        """
        check_device(device)
        single = isinstance(sentences, (str, bytes, os.PathLike)) or not hasattr(sentences, "__len__")
        items = [sentences] if single else list(sentences)
        if not items:
            raise ValueError("sentences: the list is empty")
        rows: npt.NDArray[np.float32] = np.empty((len(items), self.model.embed_dim), dtype=np.float32)
        texts = [i for i, item in enumerate(items) if isinstance(item, str)]
        pictures = [i for i, item in enumerate(items) if not isinstance(item, str)]
        plain = not normalize_embeddings
        if texts:
            rows[texts] = self.model.embed(
                texts=[items[i] for i in texts], no_normalize=plain, progress=show_progress_bar
            )
        if pictures:
            rows[pictures] = self.model.embed(
                [items[i] for i in pictures], no_normalize=plain, progress=show_progress_bar
            )
        result = rows[0] if single else rows
        if convert_to_tensor:
            return wrap(result, torch_or_none() is not None)
        return result if convert_to_numpy else list(result)

    def similarity(self, a: typing.Any, b: typing.Any) -> typing.Any:
        """Cosines (rows of a, rows of b)."""
        return util.cos_sim(a, b)

    def get_sentence_embedding_dimension(self) -> int:
        return self.model.embed_dim

    def __repr__(self) -> str:
        return f"SentenceTransformer({self.model!r})"


__all__ = ["SentenceTransformer", "util"]
