#!/usr/bin/env python3
"""Checksums of what torchvision makes of tests/pictures/rgb.png with given parameters -> tests/golden/augment.

Made with Pillow 13.0.0, torch 2.15 and torchvision 0.29. ops.tsv, a row: operation, parameters, CRC-32 of the samples.
amounts.tsv, a row: an operation of RandAugment and its amounts for the 31 magnitudes.
"""
import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import RandAugment, _apply_op

ROOT = Path(__file__).resolve().parents[2]
NEAREST, BICUBIC = T.InterpolationMode.NEAREST, T.InterpolationMode.BICUBIC
FACTORS = [0.0, 0.1, 0.37, 0.9, 1.0, 1.27, 1.9, 3.0]


def cases(image):
    space = RandAugment()._augmentation_space(31, (image.height, image.width))
    for name, (amounts, has_sign) in space.items():
        for bin in (0, 4, 9, 17, 30) if amounts.ndim else (0,):
            amount = float(amounts[bin] if amounts.ndim else amounts)
            for value in (amount, -amount) if has_sign else (amount,):
                yield name, [value], _apply_op(image, name, value, NEAREST, None)
    for factor in FACTORS:
        yield 'brightness', [factor], F.adjust_brightness(image, factor)
        yield 'contrast', [factor], F.adjust_contrast(image, factor)
        yield 'saturation', [factor], F.adjust_saturation(image, factor)
        yield 'sharpness', [factor], F.adjust_sharpness(image, factor)
    for turn in (-0.5, -0.31, -0.001, 0.0, 0.1, 0.25, 0.5):
        yield 'hue', [turn], F.adjust_hue(image, turn)
    yield 'grey', [], F.to_grayscale(image, 3)
    w, h = image.size
    for top, left, height, width in ((0, 0, h, w), (1, 2, h - 3, w - 2), (h // 2, w // 3, 5, 7), (0, 0, 1, 1)):
        for side in (32, 61):
            yield 'crop', [top, left, height, width, side], F.resized_crop(
                image, top, left, height, width, [side, side], BICUBIC)


def cube():
    """Every third value of each channel: 86 cubed colours."""
    values = np.arange(0, 256, 3, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(values, values, values, indexing='ij'), -1).reshape(86, 86 * 86, 3))


def main():
    folder = ROOT / 'tests/golden/augment'
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.open(ROOT / 'tests/pictures/rgb.png')
    assert image.mode == 'RGB'
    rows = io.StringIO()
    for picture, operations in (('rgb.png', cases(image)), ('cube', [
            ('hue', [turn], F.adjust_hue(cube(), turn)) for turn in (0.0, 0.2, -0.4)])):
        for name, parameters, result in operations:
            crc = f'{zlib.crc32(result.tobytes()):08x}'
            rows.write('\t'.join([picture, name, ' '.join(map(repr, parameters)), crc]) + '\n')
    (folder / 'ops.tsv').write_text(rows.getvalue())
    space = RandAugment()._augmentation_space(31, (97, 224))
    (folder / 'amounts.tsv').write_text(''.join(
        '\t'.join([name] + [repr(float(value)) for value in amounts.reshape(-1)]) + '\n'
        for name, (amounts, _) in space.items()))


if __name__ == '__main__':
    main()
