#!/usr/bin/env python3
"""Writes tests/golden/torch: what torch.save and torch.jit.save make, and the same tensors as safetensors.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6 and safetensors 0.8.0.  usage: torch_checkpoint.py [FOLDER]
"""
import argparse
import collections
import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / 'tests/golden/torch'


def random(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=RANDOM).to(dtype)


def state_dict():
    """Every dtype, and every way in which a tensor can lie in its storage."""
    table = random(6, 4)
    tensors = {f'weights.{name}': random(3, 5, dtype=dtype) for name, dtype in {
        'f32': torch.float32, 'f16': torch.float16, 'bf16': torch.bfloat16, 'f64': torch.float64}.items()}
    tensors |= {f'ids.{name}': torch.arange(-3, 4).to(dtype) for name, dtype in {
        'i8': torch.int8, 'u8': torch.uint8, 'i16': torch.int16, 'i32': torch.int32, 'i64': torch.int64,
        'bool': torch.bool}.items()}
    tensors |= {'scalar': torch.tensor(2.5), 'empty': torch.empty(0, 3), 'table': table, 'rows': table[2:5],
                'column': table[:, 1], 'transposed': random(3, 7).t(), 'inner': random(2, 3, 4, 5)[:, 1:, ::2, 1:4],
                'channels_last': random(2, 3, 4, 4).to(memory_format=torch.channels_last),
                'expanded': torch.arange(5).expand(2, 5), 'flat': torch.arange(7).expand(1, -1),
                'name "quoted" größe': random(2)}
    return tensors


def unread():
    """Beside one float tensor, what Tensor has no type or no room for."""
    return {'kept': random(3), 'c64': random(2, dtype=torch.complex64), 'u16': torch.arange(3).to(torch.uint16),
            'f8': random(4, dtype=torch.float8_e4m3fn), 'six': random(1, 1, 1, 1, 1, 2), 'step': 7, 'none': None,
            'sparse': torch.eye(2).to_sparse()}


def training(tensors):
    """A trainer's file: other things around the state dict, which carries the prefixes of its wrappers."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    prefixed = collections.OrderedDict((f'module._orig_mod.{name}', t) for name, t in tensors.items())
    prefixed['module._orig_mod.scalar'] = torch.nn.Parameter(prefixed['module._orig_mod.scalar'])
    prefixed._metadata = {'': {'version': 1}}
    return {'epoch': 3, 'name': 'run', 'args': argparse.Namespace(lr=1e-3, names=['a', 'b'], seed=None),
            'best': numpy.float64(0.5), 'order': {1, 2}, 'big': 1 << 80, 'optimizer': optimizer.state_dict(),
            'state_dict': prefixed}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 4).half()
        self.ln = torch.nn.LayerNorm(4)

    def forward(self, x):
        return self.ln(self.fc(x.half()).float())


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(Block(), Block())
        self.proj = torch.nn.Parameter(random(2, 4).t())
        self.scale = torch.nn.Parameter(torch.tensor(4.6))
        self.register_buffer('input_resolution', torch.tensor(224))
        self.names = ['a', 'b']
        self.width = 4

    def forward(self, x):
        return self.blocks[0](x) @ self.proj * self.scale.exp()


def sharded(folder):
    folder.mkdir(exist_ok=True)
    parts = [{'a.weight': random(2, 3), 'a.bias': random(2)}, {'b.weight': random(4, dtype=torch.float16)}]
    weight_map = {}
    for number, tensors in enumerate(parts, 1):
        name = f'pytorch_model-{number:05}-of-{len(parts):05}.bin'
        torch.save(tensors, folder / name)
        weight_map.update(dict.fromkeys(tensors, name))
    index = {'metadata': {'total_size': 40}, 'weight_map': weight_map}
    (folder / 'pytorch_model.bin.index.json').write_text(json.dumps(index, indent=2, sort_keys=True) + '\n')
    save_copy({name: t for part in parts for name, t in part.items()}, 'sharded')


def save_copy(tensors, name):
    save_file({key: t.detach().clone(memory_format=torch.contiguous_format) for key, t in tensors.items()},
              FOLDER / f'{name}.safetensors')


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tensors = state_dict()
    save_copy(tensors, 'state_dict')
    torch.save(tensors, FOLDER / 'state_dict.pt')
    torch.save(tensors, FOLDER / 'protocol4.pt', pickle_protocol=4)
    torch.save(tensors, FOLDER / 'legacy.pt', _use_new_zipfile_serialization=False)
    torch.save(training(tensors), FOLDER / 'training.pt')
    torch.save(training(tensors), FOLDER / 'training_legacy.pt', _use_new_zipfile_serialization=False)
    torch.save({'model': tensors}, FOLDER / 'legacy_protocol4.pt', _use_new_zipfile_serialization=False,
               pickle_protocol=4)
    torch.save(unread(), FOLDER / 'unread.pt')
    torch.save(unread(), FOLDER / 'unread_legacy.pt', _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), FOLDER / 'module.pt')
    torch.save({'epoch': 1, 'weights': {'x': random(2)}}, FOLDER / 'no_tensors.pt')
    torch.save({'x': random(2)}, FOLDER / 'small.pt')
    torch.save({'x': random(2)}, FOLDER / 'small_legacy.pt', _use_new_zipfile_serialization=False)
    tower = torch.jit.script(Tower())
    torch.jit.save(tower, FOLDER / 'scripted.pt')
    save_copy(tower.state_dict(), 'scripted')
    sharded(FOLDER / 'sharded')


if __name__ == '__main__':
    RANDOM = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    main()
