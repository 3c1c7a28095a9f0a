#!/usr/bin/env python3
"""Small pictures of every format and mode (tests/pictures), and checksums of what the references make of them.

usage: pixels.py [--samples FOLDER]

Made with Pillow 13.0.0, torch 2.15, torchvision 0.29, transformers 5.24, open_clip 3.3, scikit-image's photographs.
A row: file, mode, size, then CRC-32 of the decoded samples, of convert('RGB'), of transformers' composition on white,
of resize((97, 61)) by each filter, of resize((301, 457), BICUBIC), and of the fp32 pixels of six preprocessings.
"""
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import skimage
import transformers
from open_clip.transform import CenterCropOrPad, ResizeKeepRatio
from PIL import Image
from torchvision import transforms as T
from transformers.image_transforms import convert_to_rgb
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

ROOT = Path(__file__).resolve().parents[2]
PICTURES, GOLDEN = ROOT / 'tests/pictures', ROOT / 'tests/golden/pixels'
FILTERS = [Image.NEAREST, Image.BOX, Image.BILINEAR, Image.HAMMING, Image.BICUBIC, Image.LANCZOS]
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BICUBIC = T.InterpolationMode.BICUBIC
TORCHVISION = [
    T.Compose([T.Resize(224, BICUBIC), T.CenterCrop(224)]),
    T.Compose([ResizeKeepRatio(224, interpolation=BICUBIC, longest=1), CenterCropOrPad(224, fill=7)]),
    T.Resize((224, 224), BICUBIC),
]
TO_PIXELS = T.Compose([lambda image: image.convert('RGB'), T.ToTensor(), T.Normalize(MEAN, STD)])
HUGGING_FACE = [CLIPImageProcessorPil(), None,
                CLIPImageProcessorPil(size={'height': 224, 'width': 224}, do_center_crop=False)]


def samples(image):
    array = np.array(image)
    if image.mode == '1':
        array = array.astype(np.uint8) * 255
    elif image.mode == 'I;16B':
        array = array.astype('<u2')
    return array.tobytes()


def crc(data):
    return f'{zlib.crc32(data):08x}'


def row(path, name):
    image = Image.open(path)
    image.load()
    cells = [name, image.mode.replace('I;16B', 'I;16'), f'{image.width}x{image.height}', crc(samples(image)),
             crc(image.convert('RGB').tobytes()), crc(np.asarray(convert_to_rgb(image)).tobytes())]
    if image.width * image.height < 20e6:
        cells += [crc(samples(image.resize((97, 61), f))) for f in FILTERS]
        cells.append(crc(samples(image.resize((301, 457), Image.BICUBIC))))
        cells += [crc(TO_PIXELS(t(image)).numpy().tobytes()) for t in TORCHVISION]
        for processor in HUGGING_FACE:
            pixels = processor and processor(image, return_tensors='np')['pixel_values'][0]
            cells.append(crc(np.ascontiguousarray(pixels).tobytes()) if processor else '-')
    return '\t'.join(cells)


def rle_bmp(indices, palette, four_bits):
    """A run-length encoded BMP: runs, absolute stretches, a delta and ends of lines."""
    height, width = indices.shape
    body = bytearray()
    for y in range(height - 1, -1, -1):
        x = 0
        while x < width:
            if x % 3 == 0 and width - x >= 5:  # absolute
                chunk = indices[y, x:x + 5]
                data = bytes(chunk) if not four_bits else bytes(
                    [chunk[0] << 4 | chunk[1], chunk[2] << 4 | chunk[3], chunk[4] << 4])
                body += bytes([0, 5]) + data + b'\0' * (len(data) % 2)
                x += 5
            else:
                run = min(4, width - x)
                value = int(indices[y, x])
                body += bytes([run, value << 4 | value if four_bits else value])
                x += run
        body += b'\0\0'
    body += b'\0\1'
    colors = len(palette)
    table = b''.join(bytes([b, g, r, 0]) for r, g, b in palette)
    offset = 54 + len(table)
    return (b'BM' + struct.pack('<IHHI', offset + len(body), 0, 0, offset) +
            struct.pack('<IiiHHIIiiII', 40, width, height, 1, 4 if four_bits else 8, 2 if four_bits else 1, len(body),
                        2835, 2835, colors, 0) + table + bytes(body))


def raw_bmp(width, height, bits, data, compression=0, masks=b'', top_down=False):
    offset = 54 + len(masks)
    return (b'BM' + struct.pack('<IHHI', offset + len(data), 0, 0, offset) +
            struct.pack('<IiiHHIIiiII', 40, width, -height if top_down else height, 1, bits, compression, len(data),
                        2835, 2835, 0, 0) + masks + data)


def png(width, height, depth, color, rows, chunks=()):
    """A PNG of raw rows: Pillow does not write every depth."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    data = b''.join(b'\0' + bytes(r) for r in rows)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)) +
            b''.join(chunk(k, d) for k, d in chunks) + chunk(b'IDAT', zlib.compress(data, 9)) + chunk(b'IEND', b''))


def write_jpeg_and_webp(cat, alpha, save):
    save('rgb.jpg', cat, quality=90)
    save('yuv444.jpg', cat, quality=90, subsampling=0)
    save('yuv422.jpg', cat, quality=85, subsampling=1)
    save('progressive.jpg', cat, progressive=True, quality=80)
    save('restart.jpg', cat, restart_marker_blocks=3)
    save('gray.jpg', cat.convert('L'))
    save('cmyk.jpg', cat.convert('CMYK'))
    for orientation in (3, 6, 7):
        exif = Image.Exif()
        exif[0x112] = orientation
        save(f'exif_{orientation}.jpg', cat, exif=exif)
    save('lossy.webp', cat, quality=80)
    save('lossless.webp', cat, lossless=True)
    save('alpha.webp', alpha, quality=80)
    save('animated.webp', cat, save_all=True, append_images=[cat.rotate(9)], duration=50)
    save('ycc.avif', cat, quality=70)


def write_png(cat, alpha, save, write):
    save('rgb.png', cat)
    save('alpha.png', alpha)
    save('gray.png', cat.convert('L'))
    save('gray_alpha.png', alpha.convert('LA'))
    save('bilevel.png', cat.convert('1'))
    save('palette.png', cat.quantize(200))
    save('palette16.png', cat.quantize(13), bits=4)
    save('palette_alpha.png', cat.quantize(40), transparency=bytes(range(0, 240, 6)))
    save('hidden_color.png', cat, transparency=cat.getpixel((5, 5)))
    gray = np.asarray(cat.convert('L')).astype(int)
    height, width = gray.shape
    wide = (gray * 257 - gray % 7 * 31).clip(0, 65535).astype('>u2')
    rgb16 = (np.asarray(cat).astype(int) * 251 + 77).astype('>u2')
    alpha16 = np.dstack([rgb16, wide[::-1]]).astype('>u2')
    write('gray16.png', png(width, height, 16, 0, [r.tobytes() for r in wide]))
    write('rgb16.png', png(width, height, 16, 2, [r.tobytes() for r in rgb16]))
    write('gray_alpha16.png', png(width, height, 16, 4, [r.tobytes() for r in np.dstack([wide, wide[::-1]])]))
    write('rgba16.png', png(width, height, 16, 6, [r.tobytes() for r in alpha16]))
    for depth in (2, 4):
        small = (gray >> (8 - depth)).astype(np.uint8)
        bits = np.unpackbits(small[..., None], axis=2)[..., 8 - depth:].reshape(height, -1)
        write(f'gray{depth}.png', png(width, height, depth, 0, [np.packbits(r).tobytes() for r in bits]))
    write('short_palette.png', png(width, height, 8, 3, [r.tobytes() for r in gray.astype(np.uint8)],
                                   [(b'PLTE', bytes(range(99)))]))


def write_gif_and_tiff(cat, alpha, save, write):
    save('palette.gif', cat.quantize(64))
    save('gray.gif', cat.convert('L'))
    save('transparent.gif', alpha.resize((40, 30)))
    save('interlaced.gif', cat.quantize(16), interlace=True)
    save('animated.gif', cat.quantize(32), save_all=True, append_images=[cat.rotate(9).quantize(32)], duration=50)
    gif = bytearray((PICTURES / 'palette.gif').read_bytes())
    struct.pack_into('<HH', gif, 6, cat.width - 9, cat.height + 4)  # the frame reaches beyond the screen, and not
    write('odd_screen.gif', bytes(gif))
    save('rgb.tif', cat)
    for compression in ('tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'jpeg'):
        save(f'{compression}.tif', cat, compression=compression)
    save('group4.tif', cat.convert('1'), compression='group4')
    save('bilevel.tif', cat.convert('1'))
    save('gray.tif', cat.convert('L'), compression='tiff_lzw')
    save('palette.tif', cat.quantize(60), compression='packbits')
    save('cmyk.tif', cat.convert('CMYK'), compression='tiff_lzw')
    save('alpha.tif', alpha, compression='tiff_lzw')
    save('gray_alpha.tif', alpha.convert('LA'))
    save('gray16.tif', Image.fromarray((np.asarray(cat.convert('L')).astype(np.uint16) * 3)))
    save('rotated.tif', cat, tiffinfo={274: 6})


def write_bmp_and_pnm(cat, save, write):
    gray = cat.convert('L')
    width, height = cat.size
    save('rgb.bmp', cat)
    save('gray.bmp', gray)
    save('bilevel.bmp', cat.convert('1'))
    save('palette.bmp', cat.quantize(100))
    few = cat.quantize(16)
    colors = np.array(few.getpalette()[:48]).reshape(-1, 3).tolist()
    write('rle8.bmp', rle_bmp(np.asarray(few), colors, False))
    write('rle4.bmp', rle_bmp(np.asarray(few), colors, True))
    noise = np.random.default_rng(5).integers(0, 256, (height, width * 4), np.uint8)
    rgb16 = np.pad(noise[:, :2 * width], ((0, 0), (0, -2 * width % 4))).tobytes()
    write('rgb16.bmp', raw_bmp(width, height, 16, rgb16))
    write('rgb565.bmp', raw_bmp(width, height, 16, rgb16,
                                3, struct.pack('<III', 0xf800, 0x7e0, 0x1f)))
    write('rgb32.bmp', raw_bmp(width, height, 32, noise.tobytes(), top_down=True))
    write('bitfields.bmp', raw_bmp(width, height, 32, noise.tobytes(), 3,
                                   struct.pack('<III', 0xff000000, 0xff0000, 0xff00)))
    save('rgb.ppm', cat)
    save('gray.pgm', gray)
    save('bilevel.pbm', cat.convert('1'))
    size = f'{width} {height}'
    write('plain.ppm', f'P3\n# a comment\n{size}\n100\n'.encode() +
          ' '.join(str(v * 100 // 255) for v in cat.tobytes()).encode())
    write('plain.pgm', f'P2 {size} 1000\n'.encode() + '\n'.join(str(v * 3) for v in gray.tobytes()).encode())
    write('plain.pbm', f'P1\n{size}\n'.encode() + ''.join('01'[v > 128] for v in gray.tobytes()).encode())
    write('max99.pgm', f'P5 {size} 99\n'.encode() + bytes(v * 99 // 255 for v in gray.tobytes()))
    write('max999.pgm', f'P5 {size} 999\n'.encode()
          + struct.pack(f'>{width * height}H', *(v * 3 for v in gray.tobytes())))
    write('gray16.pgm', f'P5 {size} 65535\n'.encode()
          + struct.pack(f'>{width * height}H', *(v * 257 for v in gray.tobytes())))


def make_pictures():
    PICTURES.mkdir(parents=True, exist_ok=True)
    data = Path(skimage.__file__).parent / 'data'
    (ROOT / 'examples').mkdir(exist_ok=True)
    (ROOT / 'examples/cat.png').write_bytes((data / 'chelsea.png').read_bytes())
    Image.open(data / 'coffee.png').convert('RGB').save(ROOT / 'examples/coffee.jpg', quality=90)
    cat = Image.open(data / 'chelsea.png').convert('RGB').crop((90, 40, 350, 260)).resize((61, 52), Image.LANCZOS)
    ramp = np.linspace(0, 255, 61 * 52).reshape(52, 61).astype(np.uint8)
    ramp[:9] = 0
    ramp[-9:] = 255
    alpha = cat.copy()
    alpha.putalpha(Image.fromarray(ramp))

    def write(name, content):
        (PICTURES / name).write_bytes(content)

    def save(name, image, **options):
        image.save(PICTURES / name, **options)

    write_jpeg_and_webp(cat, alpha, save)
    write_png(cat, alpha, save, write)
    write_gif_and_tiff(cat, alpha, save, write)
    write_bmp_and_pnm(cat, save, write)


def main():
    warnings.simplefilter('ignore')
    transformers.logging.set_verbosity_error()
    Image.MAX_IMAGE_PIXELS = None
    make_pictures()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    paths = [ROOT / 'examples/cat.png', ROOT / 'examples/coffee.jpg']
    paths += [p for p in sorted(PICTURES.iterdir()) if p.suffix not in ('.md', '.avif')]
    rows = [row(p, str(p.relative_to(ROOT))) for p in paths]
    (GOLDEN / 'pixels.tsv').write_text('\n'.join(rows) + '\n')
    if '--samples' in sys.argv:
        folder = Path(sys.argv[sys.argv.index('--samples') + 1])
        rows = []
        for part in ('photos', 'formats', 'neardup', 'broken'):
            for path in sorted((folder / part).iterdir()):
                try:
                    rows.append(row(path, f'{part}/{path.name}'))
                except (OSError, ValueError):
                    rows.append(f'{part}/{path.name}\terror')
        (GOLDEN / 'samples.tsv').write_text('\n'.join(rows) + '\n')


if __name__ == '__main__':
    main()
