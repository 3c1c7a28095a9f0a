#!/usr/bin/env python3
"""JPEGs to what a tower sees, beside PyPI's hf-processors-rs in both its backends: the same bits, pictures a second.

usage: PYTHONPATH=BUILD/python pixel_peers.py PICTURES_FOLDER [--threads N] [--rounds N] [--seconds X] [--record]

Each engine decodes and preprocesses the folder's JPEGs (the paths repeated to some 64 a call) into a new float32 array
(N, 3, 224, 224), and must give the same bits as the other. The engines take turns; medians of the rounds.
"""
import argparse
import json
import pathlib
import sys
import tempfile
import time

import hf_processors_rs
import numpy as np

import diptych
import records
from measuring import in_turn, medians

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/support'))
from made_checkpoint import write_checkpoint  # noqa: E402

CLIP = {'image_processor_type': 'CLIPImageProcessor', 'do_resize': True, 'size': {'shortest_edge': 224}, 'resample': 3,
        'do_center_crop': True, 'crop_size': {'height': 224, 'width': 224}, 'do_rescale': True,
        'rescale_factor': 1 / 255, 'do_normalize': True, 'image_mean': [0.48145466, 0.4578275, 0.40821073],
        'image_std': [0.26862954, 0.26130258, 0.27577711], 'do_convert_rgb': True}


def pictures_per_s(call, count, seconds):
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        call()
        done += count
    return done / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=1)
    records.option(parser)
    args = parser.parse_args()
    paths = sorted(str(p) for p in args.folder.glob('*.jpg'))
    paths *= max(1, 64 // len(paths))

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder)
        config = write_checkpoint(checkpoint, 'hf_legacy_eos')['files']['config.json']
        config['vision_config']['image_size'] = CLIP['crop_size']['height']  # of weights that are never read
        (checkpoint / 'config.json').write_text(json.dumps(config), encoding='utf-8')
        (checkpoint / 'preprocessor_config.json').write_text(json.dumps(CLIP), encoding='utf-8')
        ours = {name: diptych.Processor(folder, resize=name, threads=args.threads)
                for name in ('pillow', 'torchvision')}
    ratios = {}
    for name, backend in (('pillow', 'pil'), ('torchvision', 'torchvision')):
        theirs = hf_processors_rs.AutoImageProcessor.from_dict(CLIP, backend=backend)
        engines = {'diptych': lambda: ours[name].pixels(paths),
                   'hf-processors-rs': lambda: theirs(paths, num_threads=args.threads)}
        results = {engine: call() for engine, call in engines.items()}
        same = np.array_equal(*(np.asarray(r).view(np.uint32) for r in results.values()))
        rates = medians(in_turn({engine: lambda call=call: pictures_per_s(call, len(paths), args.seconds)
                                 for engine, call in engines.items()}, args.rounds))
        ratio = rates['diptych'] / rates['hf-processors-rs']
        print(json.dumps({'resize': name, 'same_bits': bool(same), 'pictures': len(paths),
                          **{engine: round(rate, 1) for engine, rate in rates.items()}, 'ratio': round(ratio, 3)}))
        ratios[f'pixels {name} / hf-processors-rs'] = ratio
    records.keep(args, ratios, 'threads', 'rounds')


if __name__ == '__main__':
    main()
