"""CLIP in C++: name what is in a picture, embed pictures and texts into one space, compare them.

    import diptych

    model = diptych.load()                                   # the starter, or a folder, a hub id, an open_clip pair
    model.classify("cat.png", ["cat", "dog", "bird"])
    model.embed(["a.jpg", "b.jpg"])                          # numpy, (N, E) float32
    model.similarity(["a.jpg", "b.jpg"], texts=["a cat", "a car"])
    model.index("photos/", store="photos.store")             # again later: only what is new
    model.search("a red car", store="photos.store")

Code written for transformers, open_clip or sentence-transformers runs with its import changed:

    from diptych import CLIPModel, CLIPProcessor, AutoModel, AutoProcessor
    from diptych import open_clip
    from diptych import SentenceTransformer, util

What is named here is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from . import open_clip as open_clip
    from . import sentence_transformers as sentence_transformers
    from . import transformers as transformers
    from . import util as util
    from ._diptych import Classification as Classification
    from ._diptych import DuplicateRow as DuplicateRow
    from ._diptych import Duplicates as Duplicates
    from ._diptych import IndexSummary as IndexSummary
    from ._diptych import LabelSet as LabelSet
    from ._diptych import ModelFact as ModelFact
    from ._diptych import ModelInfo as ModelInfo
    from ._diptych import Prediction as Prediction
    from ._diptych import Processor as Processor
    from ._diptych import SearchHit as SearchHit
    from ._diptych import SkippedPicture as SkippedPicture
    from ._diptych import StoreInfo as StoreInfo
    from ._diptych import TrainSummary as TrainSummary
    from ._diptych import __version__ as __version__
    from ._diptych import dedup as dedup
    from ._diptych import train as train
    from ._results import Classifications as Classifications
    from ._results import Similarity as Similarity
    from .model import Model as Model
    from .model import load as load
    from .open_clip import create_model_and_transforms as create_model_and_transforms
    from .open_clip import create_model_from_pretrained as create_model_from_pretrained
    from .open_clip import get_tokenizer as get_tokenizer
    from .sentence_transformers import SentenceTransformer as SentenceTransformer
    from .store import Store as Store
    from .transformers import AutoImageProcessor as AutoImageProcessor
    from .transformers import AutoModel as AutoModel
    from .transformers import AutoModelForZeroShotImageClassification as AutoModelForZeroShotImageClassification
    from .transformers import AutoProcessor as AutoProcessor
    from .transformers import AutoTokenizer as AutoTokenizer
    from .transformers import CLIPImageProcessor as CLIPImageProcessor
    from .transformers import CLIPModel as CLIPModel
    from .transformers import CLIPProcessor as CLIPProcessor
    from .transformers import CLIPTokenizer as CLIPTokenizer

_WHERE = {
    "_diptych": [
        "Classification", "DuplicateRow", "Duplicates", "IndexSummary", "LabelSet", "ModelFact", "ModelInfo",
        "Prediction", "Processor", "SearchHit", "SkippedPicture", "StoreInfo", "TrainSummary", "__version__", "dedup",
        "train",
    ],
    "_results": ["Classifications", "Similarity"],
    "model": ["Model", "load"],
    "open_clip": ["create_model_and_transforms", "create_model_from_pretrained", "get_tokenizer"],
    "sentence_transformers": ["SentenceTransformer"],
    "store": ["Store"],
    "transformers": [
        "AutoImageProcessor", "AutoModel", "AutoModelForZeroShotImageClassification", "AutoProcessor",
        "AutoTokenizer", "CLIPImageProcessor", "CLIPModel", "CLIPProcessor", "CLIPTokenizer",
    ],
}  # fmt: skip
_MODULES = {"open_clip", "sentence_transformers", "transformers", "util"}
_HOME = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted([*_HOME, *_MODULES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> typing.Any:
    if name in _MODULES:
        return importlib.import_module("." + name, __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'diptych' has no attribute {name!r}")
    value = getattr(importlib.import_module("." + _HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
