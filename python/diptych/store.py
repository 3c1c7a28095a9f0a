"""A store of embeddings in a folder: what `Model.index()` fills and `Model.search()` reads."""

from __future__ import annotations

import os
import typing

from . import _diptych

if typing.TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Store:
    """Care of a store. Nothing is kept open: each call sees what was committed last.

    Errors are FileNotFoundError where there is no store, ValueError for a damaged one or another version's, OSError
    where somebody else is writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def info(self) -> _diptych.StoreInfo:
        """Whose embeddings it holds, and how many."""
        return _diptych.store_info(self.path)

    def rows(self) -> tuple[list[str], npt.NDArray[np.float32]]:
        """The pictures' paths, and their embeddings (N, E), of length 1, as precise as half floats are."""
        return _diptych.store_rows(self.path)

    def verify(self) -> list[str]:
        """Reads everything; a sentence for each trouble, none where all is well."""
        return _diptych.store_verify(self.path)

    def gc(self) -> int:
        """Rewrites the vectors without those of pictures that are gone; how many these were."""
        return _diptych.store_gc(self.path)

    def merge(self, *others: str | os.PathLike[str]) -> int:
        """Adds the pictures of other stores of the same model whose paths it does not have; how many.

        Made if need be.
        """
        return _diptych.store_merge(self.path, others)

    def export(self, folder: str | os.PathLike[str]) -> None:
        """Writes clip-retrieval's folders: img_emb/img_emb_0.npy (float16) and metadata/metadata_0.parquet."""
        _diptych.store_export(self.path, folder)

    def __len__(self) -> int:
        return self.info().pictures

    def __repr__(self) -> str:
        return f"<Store {self.path}>"
