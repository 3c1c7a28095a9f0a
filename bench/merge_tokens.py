#!/usr/bin/env python3
"""What --merge-tokens gains: pictures a second of a vision transformer, and how far its embeddings move.

usage: PYTHONPATH=BUILD/python merge_tokens.py [--model ViT-B-16|ViT-L-14] [--merge 0,8,13] [--precision P]
       [--pictures FOLDER] [--record]

All of them are loaded at once and take turns, since the speed of a shared machine changes; medians of the rounds.
The weights are random (open_clip's initialisation): rates are those of real ones, cosines are not, and accuracy cannot
be told at all.
"""
import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import open_clip
import torch

import diptych
import records
from measuring import in_turn, medians, seconds_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'tools'))
from random_checkpoint import save_open_clip  # noqa: E402


def make_checkpoint(name, folder):
    torch.manual_seed(0)
    config = open_clip.get_model_config(name)
    config['text_cfg'] = {'context_length': 77, 'vocab_size': 49408, 'width': 64, 'heads': 1, 'layers': 1}  # not used
    save_open_clip(folder, open_clip.CLIP(**config), config)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', default='ViT-B-16')
    parser.add_argument('--merge', default='0,8,13')
    parser.add_argument('--precision', default='fp32')
    parser.add_argument('--pictures', type=pathlib.Path, help='JPEGs to compare embeddings of')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    records.option(parser)
    args = parser.parse_args()
    counts = [int(count) for count in args.merge.split(',')]

    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(args.model, pathlib.Path(folder))
        models = {count: diptych.load(folder, merge_tokens=count, precision=args.precision, threads=args.threads)
                  for count in counts}
    pixels = np.random.default_rng(0).normal(size=(args.batch, 3, 224, 224)).astype(np.float32)
    engines = {count: lambda model=model: seconds_of(lambda: model.embed(pixels)) for count, model in models.items()}
    in_turn(engines, 1)  # packs the weights
    median = medians(in_turn(engines, args.rounds))
    paths = sorted(str(path) for path in args.pictures.glob('*.jpg')) if args.pictures else []
    rows = {count: model.embed(paths) for count, model in models.items() if paths}
    for count in counts:
        line = {'model': args.model, 'precision': args.precision, 'merge_tokens': count,
                'images_per_s': round(args.batch / median[count], 2),
                'ratio': round(median[counts[0]] / median[count], 2)}
        if paths:
            cosines = (rows[count] * rows[counts[0]]).sum(axis=1)
            line |= {'cosine_mean': round(float(cosines.mean()), 4), 'cosine_lowest': round(float(cosines.min()), 4)}
        print(json.dumps(line), flush=True)
    records.keep(args, {f'{args.model} {args.precision} merging {count} / none': median[counts[0]] / median[count]
                        for count in counts[1:]}, 'model', 'precision', 'batch')


if __name__ == '__main__':
    main()
