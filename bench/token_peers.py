#!/usr/bin/env python3
"""Texts to CLIP's token ids, beside PyPI's instant-clip-tokenizer and open_clip: texts a second in one process.

usage: PYTHONPATH=BUILD/python token_peers.py TEXTS_FILE [--rounds N] [--record]

A text a line; one thread. instant-clip-tokenizer repairs nothing in a text (no ftfy, no HTML entities, as its
documentation says), so that ids are compared with open_clip's, of the file's texts and of some that need repair.
"""
import argparse
import json
import pathlib

import instant_clip_tokenizer
import open_clip

import diptych
import records
from measuring import in_turn, medians, seconds_of

ODD = ['', ' ', 'caf\u00c3\u00a9 &amp;amp; bar', '\u201cquotes\u201d \u2014 dash', 'I\'m 12:30 pm!!1',
       '\u0130stanbul \u1e9e \u03a3\u03a3', '\u65e5\u672c\u8a9e\u306e\u732b', '\U0001f408\u200d\u2b1b cat',
       '<start_of_text>a<end_of_text>', '<|endoftext|> x', 'a\tb\r\nc\x00d', '\ufb01ne', 'x' * 5000, 'word ' * 200,
       '\u1d4f\u1d43\u1d57 \u00bd \u2167', "they'll've it's"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('texts', type=pathlib.Path)
    parser.add_argument('--rounds', type=int, default=21)
    records.option(parser)
    args = parser.parse_args()
    texts = [text for text in args.texts.read_text(encoding='utf-8').split('\n') if text]
    ours = diptych.Processor.of_architecture('ViT-B-32').tokenize
    theirs = instant_clip_tokenizer.Tokenizer()
    reference = open_clip.get_tokenizer('ViT-B-32')

    checked = texts + ODD
    rows = reference(checked).tolist()
    differing = {'diptych': sum(ids + [0] * (77 - len(ids)) != row for ids, row in zip(ours(checked), rows)),
                 'instant-clip-tokenizer': int((theirs.tokenize_batch(checked, context_length=77) != rows)
                                               .any(axis=1).sum())}
    engines = {'diptych': lambda: ours(texts),
               'instant-clip-tokenizer, rows of 77': lambda: theirs.tokenize_batch(texts, context_length=77),
               'instant-clip-tokenizer, lists': lambda: [theirs.encode(text) for text in texts],
               'open_clip': lambda: reference(texts)}
    seconds = medians(in_turn({engine: lambda call=call: seconds_of(call) for engine, call in engines.items()},
                              args.rounds))
    rates = {engine: round(len(texts) / median) for engine, median in seconds.items()}
    print(json.dumps({'texts': len(texts), 'texts_per_s': rates, 'checked': len(checked),
                      'differing_from_open_clip': differing}, indent=1))
    best = max(rate for engine, rate in rates.items() if engine != 'diptych')
    records.keep(args, {'tokens / best peer': rates['diptych'] / best}, 'rounds')


if __name__ == '__main__':
    main()
