"""libdiptych.so from any language that can call C; here from Python's ctypes.

DIPTYCH_LIBRARY=.../lib/libdiptych.so python ctypes_example.py
"""

import ctypes
import os
from pathlib import Path


class Picture(ctypes.Structure):
    _fields_ = [
        ("path", ctypes.c_char_p),
        ("bytes", ctypes.c_void_p),
        ("bytes_size", ctypes.c_size_t),
        ("rgb", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
    ]


class Prediction(ctypes.Structure):
    _fields_ = [("label", ctypes.c_size_t), ("probability", ctypes.c_double), ("logit", ctypes.c_double)]


library = ctypes.CDLL(os.environ.get("DIPTYCH_LIBRARY", "libdiptych.so"))
library.diptych_load.restype = ctypes.c_void_p
library.diptych_classify.restype = ctypes.c_void_p
library.diptych_status_message.restype = ctypes.c_char_p


def check(status: int | None) -> None:
    if status:
        message = library.diptych_status_message(ctypes.c_void_p(status)).decode()
        library.diptych_status_free(ctypes.c_void_p(status))
        raise RuntimeError(message)


model = ctypes.c_void_p()
check(library.diptych_load(b"starter", None, ctypes.byref(model)))

labels = [b"cat", b"dog", b"bird", b"car"]
picture = Picture(path=os.fsencode(Path(__file__).parent / "cat.png"))
predictions = (Prediction * 2)()
check(
    library.diptych_classify(
        model, ctypes.byref(picture), (ctypes.c_char_p * len(labels))(*labels), ctypes.c_size_t(len(labels)), None,
        predictions, ctypes.c_size_t(2),
    )
)  # fmt: skip
for prediction in predictions:
    print(labels[prediction.label].decode(), f"{prediction.probability:.3f}")
library.diptych_model_free(model)
