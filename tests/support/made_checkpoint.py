"""The model of tests/golden/clip/NAME.json as a checkpoint folder, its weights made as tools/golden/clip.py makes them.
Python's standard library only."""

import array
import json
import math
import pathlib
import struct

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/clip"
MASK = (1 << 64) - 1


def uniform(name, count):
    """splitmix64 over (FNV-1a of the name) + index, as numbers in [-1, 1)."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    values = array.array("f", bytes(4 * count))
    for i in range(count):
        z = (i * 0x9E3779B97F4A7C15 + h) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values[i] = ((z ^ (z >> 31)) >> 40) / 8388608.0 - 1.0
    return values


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def write_checkpoint(folder, name):
    """Writes the folder's files and returns the golden values. REQUIRES: a case in one file of F32 or F16."""
    values = golden(name)
    for file, content in values["files"].items():
        (folder / file).write_text(json.dumps(content))
    is_transformers = "ids" in values
    if is_transformers:
        for file in ("vocab.json", "merges.txt"):
            (folder / file).write_bytes((GOLDEN / file).read_bytes())
    header, data = {}, bytearray()
    letter = {"F32": "f", "F16": "e"}[values["dtype"]]
    for tensor, rule in sorted(values["tensors"].items()):
        count = math.prod(rule["shape"])
        numbers = [rule["offset"] + rule["scale"] * u for u in uniform(tensor, count)]
        begin = len(data)
        data += struct.pack(f"<{count}{letter}", *numbers)
        header[tensor] = {"dtype": values["dtype"], "shape": rule["shape"], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    weights = "model.safetensors" if is_transformers else "open_clip_model.safetensors"
    (folder / weights).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return values
