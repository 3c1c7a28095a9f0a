#!/usr/bin/env python3
"""Checksums of JPEGs that Pillow decodes smaller, by Image.draft: tests/golden/pixels/fast_decode.tsv.

Made with Pillow 13.0.0. A row: file, the size that must be covered, the size that came out, CRC-32 of the samples.
"""
import zlib
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
COVERS = {'examples/rocket.jpg': [224, 200, 100, 50], 'examples/coffee.jpg': [224, 200, 30],
          'tests/pictures/rgb.jpg': [20, 10], 'tests/pictures/gray.jpg': [20], 'tests/pictures/progressive.jpg': [12],
          'tests/pictures/cmyk.jpg': [20], 'tests/pictures/yuv422.jpg': [20], 'tests/pictures/yuv444.jpg': [20],
          'tests/pictures/restart.jpg': [10]}

with open(ROOT / 'tests/golden/pixels/fast_decode.tsv', 'w', encoding='utf-8') as out:
    for name, covers in COVERS.items():
        for cover in covers:
            image = Image.open(ROOT / name)
            image.draft(None, (cover, cover))
            image.load()
            size, crc = f'{image.width}x{image.height}', f'{zlib.crc32(image.tobytes()):08x}'
            print(name, cover, size, crc, sep='\t', file=out)
