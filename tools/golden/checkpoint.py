#!/usr/bin/env python3
"""Writes tests/golden/checkpoint: small files as the reference library and early writers make them.

Made with Python 3.11, torch 2.15.0 and safetensors 0.8.0.  usage: checkpoint.py [FOLDER]
"""
import json
import struct
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / 'tests/golden/checkpoint'


def counting(dtype, *shape):
    """0, 1, 2, ... in the order of memory: what the tests expect of every tensor here."""
    count = 1
    for dim in shape:
        count *= dim
    return torch.arange(count).reshape(shape).to(dtype)


def every_dtype():
    tensors = {f'weights.{name}': counting(dtype, 3, 5) for name, dtype in {
        'f32': torch.float32, 'f16': torch.float16, 'bf16': torch.bfloat16, 'f64': torch.float64, 'i8': torch.int8,
        'u8': torch.uint8, 'i16': torch.int16, 'i32': torch.int32, 'i64': torch.int64}.items()}
    tensors['weights.bool'] = counting(torch.int64, 3, 5).bool()
    tensors['scalar'] = torch.tensor(0.0)
    tensors['none'] = counting(torch.float32, 0, 4)
    tensors['five'] = counting(torch.int16, 1, 2, 1, 3, 2)
    tensors['name "quoted"\\ \t\x01 größe 𝄞'] = counting(torch.float32, 2)
    return tensors


def unread_dtypes():
    return {'f8': counting(torch.float32, 4).to(torch.float8_e4m3fn), 'u16': counting(torch.int32, 3).to(torch.uint16),
            'u32': counting(torch.int64, 2).to(torch.uint32), 'c64': counting(torch.complex64, 2),
            'six': counting(torch.float32, 1, 1, 1, 1, 1, 2), 'kept': counting(torch.float32, 3)}


def misaligned():
    """As before version 0.3: tensors in the order given, no padding, so that floats lie on odd addresses."""
    header = json.dumps({'bytes': {'dtype': 'U8', 'shape': [3], 'data_offsets': [0, 3]},
                         'floats': {'dtype': 'F32', 'shape': [2, 2], 'data_offsets': [3, 19]}}).encode()
    header += b' ' * (8 - len(header) % 8)
    return struct.pack('<Q', len(header)) + header + bytes([0, 1, 2]) + struct.pack('<4f', 0, 1, 2, 3)


def sharded(folder):
    folder.mkdir(exist_ok=True)
    parts = [{'a.weight': counting(torch.float32, 2, 3), 'a.bias': counting(torch.float32, 2)},
             {'b.weight': counting(torch.float16, 4)}]
    weight_map = {}
    for number, tensors in enumerate(parts, 1):
        name = f'model-{number:05}-of-{len(parts):05}.safetensors'
        save_file(tensors, folder / name, metadata={'format': 'pt'})
        weight_map.update(dict.fromkeys(tensors, name))
    index = {'metadata': {'total_size': 40}, 'weight_map': weight_map}
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index, indent=2, sort_keys=True) + '\n')


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(every_dtype(), FOLDER / 'every_dtype.safetensors', metadata={'format': 'pt'})
    save_file(unread_dtypes(), FOLDER / 'unread_dtypes.safetensors')
    (FOLDER / 'misaligned.safetensors').write_bytes(misaligned())
    sharded(FOLDER / 'sharded')


if __name__ == '__main__':
    main()
