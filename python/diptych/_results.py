"""Results of several pictures, which draw themselves in a notebook."""

from __future__ import annotations

import typing

import numpy as np
import numpy.typing as npt

if typing.TYPE_CHECKING:
    from ._diptych import Classification

    _List = list[Classification]
else:
    _List = list


class Classifications(_List):
    """A list of Classification."""

    def _repr_html_(self) -> str:
        from . import _html

        return _html.classifications(self)


class Similarity:
    """Cosines, and what they are of. numpy.asarray(similarity) is the matrix (rows, columns), float32."""

    def __init__(
        self,
        matrix: npt.NDArray[np.float32],
        rows: list[typing.Any],
        columns: list[typing.Any],
        pictures: int,
    ) -> None:
        self.matrix = matrix
        self.rows = rows
        self.columns = columns
        self.pictures = pictures  # the columns before this one are pictures, the others texts

    @property
    def shape(self) -> tuple[int, ...]:
        return self.matrix.shape

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[typing.Any]:
        matrix = self.matrix if dtype is None else self.matrix.astype(dtype, copy=False)
        return matrix.copy() if copy else matrix

    def __getitem__(self, at: typing.Any) -> typing.Any:
        return self.matrix[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        low, high = (float(f(self.matrix)) for f in (np.min, np.max))
        texts = len(self.columns) - self.pictures
        return (
            f"<Similarity of {len(self.rows)} pictures with {self.pictures} pictures and {texts} texts: "
            f"{low:.3f} to {high:.3f}>"
        )

    def _repr_html_(self) -> str:
        from . import _html

        return _html.similarity(self)
