#!/usr/bin/env python3
"""What --merge-tokens gains: pictures a second of a vision transformer, and how far its embeddings move.

usage: merge_tokens.py BUILD/diptych [--model ViT-B-16|ViT-L-14] [--merge 0,4,8,...] [--precision P] [--pictures FOLDER]

The weights are random (open_clip's initialisation): rates are those of real ones, cosines are not, and accuracy cannot
be told at all. To measure it, give `diptych evaluate` or `classify` a trained model.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import open_clip
import safetensors.torch
import torch


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
    parser.add_argument('program')
    parser.add_argument('--model', default='ViT-B-16')
    parser.add_argument('--merge', default='0,8,13,16')
    parser.add_argument('--precision', default='fp32')
    parser.add_argument('--pictures', help='to compare embeddings of')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=2)
    args = parser.parse_args()
    counts = [int(count) for count in args.merge.split(',')]

    def run(folder, *flags):
        done = subprocess.run([args.program, *flags, '--model', folder, '--precision', args.precision], check=True,
                              capture_output=True, text=True)
        return done.stdout

    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(args.model, pathlib.Path(folder))
        rates = {count: [] for count in counts}
        for _ in range(args.rounds):
            for count in counts:
                out = run(folder, 'bench', '--batch', str(args.batch), '--seconds', str(args.seconds), '--format',
                          'json', '--merge-tokens', str(count))
                rates[count].append(json.loads(out)['images_per_s'])
        rows = {}
        for count in counts if args.pictures else []:
            run(folder, 'embed', args.pictures, '--merge-tokens', str(count), '--out', f'{folder}/rows.npy')
            rows[count] = np.load(f'{folder}/rows.npy')
    for count in counts:
        line = {'model': args.model, 'precision': args.precision, 'merge_tokens': count,
                'images_per_s': round(float(np.median(rates[count])), 1),
                'ratio': round(float(np.median(rates[count]) / np.median(rates[counts[0]])), 2)}
        if rows:
            cosines = (rows[count] * rows[counts[0]]).sum(axis=1)
            line |= {'cosine_mean': round(float(cosines.mean()), 4), 'cosine_lowest': round(float(cosines.min()), 4)}
        print(json.dumps(line), flush=True)


if __name__ == '__main__':
    main()
