#!/usr/bin/env python3
"""Golden pixels of PyTorch's antialiased 8-bit resize and of transformers 5's CLIPImageProcessor, which uses it.

    torchvision_pixels.py

Writes tests/golden/pixels/torchvision.tsv: for each picture of tests/pictures and examples that Pillow decodes, CRC-32s
of its RGB pixels resized to 97x61 and 301x457 (bicubic), to 97x61 (bilinear), and of the processor's pixel values with
the default size and with a crop larger than the picture. Needs torch, torchvision, transformers, Pillow.
"""

import zlib
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch.nn.functional import interpolate
from transformers import CLIPImageProcessor

ROOT = Path(__file__).resolve().parents[2]


def crc(tensor) -> str:
    return f"{zlib.crc32(numpy.ascontiguousarray(tensor)):08x}"


def resized(rgb, width: int, height: int, mode: str) -> str:
    x = torch.from_numpy(rgb).permute(2, 0, 1)[None].contiguous()
    y = interpolate(x, size=(height, width), mode=mode, antialias=True, align_corners=False)
    return crc(y[0].permute(1, 2, 0).numpy())


def main() -> None:
    plain = CLIPImageProcessor()
    barred = CLIPImageProcessor(size={"shortest_edge": 60}, crop_size={"height": 93, "width": 93})
    lines = []
    for path in sorted([*(ROOT / "tests/pictures").glob("*.*"), *(ROOT / "examples").glob("*.*")]):
        try:
            image = Image.open(path)
            image.load()
        except Exception:
            continue
        # Other modes differ before the resize: pixels.tsv has them. AVIF decodes differently: docs/numerics.md.
        if image.mode not in ("RGB", "L") or path.suffix == ".avif":
            continue
        rgb = numpy.array(image.convert("RGB"))
        values = [processor(image, return_tensors="np")["pixel_values"][0] for processor in (plain, barred)]
        lines.append("\t".join([path.relative_to(ROOT).as_posix(), resized(rgb, 97, 61, "bicubic"),
                                resized(rgb, 301, 457, "bicubic"), resized(rgb, 97, 61, "bilinear"),
                                *(crc(v) for v in values)]))
    (ROOT / "tests/golden/pixels/torchvision.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
