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
import statistics
import tempfile
import time

import numpy as np
import open_clip
import safetensors.torch
import torch

import diptych
import records


def make_checkpoint(name, folder):
    torch.manual_seed(0)
    config = open_clip.get_model_config(name)
    config['text_cfg'] = {'context_length': 77, 'vocab_size': 49408, 'width': 64, 'heads': 1, 'layers': 1}  # not used
    model = open_clip.CLIP(**config)
    (folder / 'open_clip_config.json').write_text(json.dumps({'model_cfg': config, 'preprocess_cfg': {
        'mean': open_clip.OPENAI_DATASET_MEAN, 'std': open_clip.OPENAI_DATASET_STD}}), encoding='utf-8')
    safetensors.torch.save_file({k: v for k, v in model.state_dict().items() if k != 'attn_mask'},
                                folder / 'open_clip_model.safetensors')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', default='ViT-B-16')
    parser.add_argument('--merge', default='0,8,13')
    parser.add_argument('--precision', default='fp32')
    parser.add_argument('--pictures', type=pathlib.Path, help='JPEGs to compare embeddings of')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--record', action='store_true', help='adds the ratios to bench/records.jsonl')
    args = parser.parse_args()
    counts = [int(count) for count in args.merge.split(',')]

    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(args.model, pathlib.Path(folder))
        models = {count: diptych.load(folder, merge_tokens=count, precision=args.precision, threads=args.threads)
                  for count in counts}
    pixels = np.random.default_rng(0).normal(size=(args.batch, 3, 224, 224)).astype(np.float32)
    seconds = {count: [] for count in counts}
    for _ in range(args.rounds + 1):  # the first one packs the weights
        for count, model in models.items():
            start = time.perf_counter()
            model.embed(pixels)
            seconds[count].append(time.perf_counter() - start)
    median = {count: statistics.median(times[1:]) for count, times in seconds.items()}
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
    if args.record:
        records.append(f'merge_tokens.py --model {args.model} --precision {args.precision} --batch {args.batch}',
                       {f'{args.model} {args.precision} merging {count} / none': median[counts[0]] / median[count]
                        for count in counts[1:]})


if __name__ == '__main__':
    main()
