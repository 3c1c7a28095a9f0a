#!/usr/bin/env python3
"""What Python adds to the library: times of the import, a first answer and a call, and rates beside the program's.

usage: PYTHONPATH=BUILD/python python_bench.py BUILD/diptych PICTURES_FOLDER [--seconds 3]

Each figure is the best of several runs, since a shared machine only ever makes things slower.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / 'tests/support'
CAT = pathlib.Path(__file__).resolve().parents[1] / 'examples/cat.png'


def best(call, times):
    found = float('inf')
    for _ in range(times):
        start = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - start)
    return found


def process_seconds(code):
    empty = best(lambda: subprocess.run([sys.executable, '-c', ''], check=True), 5)
    return best(lambda: subprocess.run([sys.executable, '-c', code], check=True), 5) - empty


def overhead_microseconds():
    """Of a call with a ready array, on a tower so small that little else is left."""
    import numpy as np

    import diptych

    sys.path.insert(0, str(SUPPORT))
    from made_checkpoint import write_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(pathlib.Path(folder), 'hf_legacy_eos')
        model = diptych.load(folder, threads=1)
    pixels = np.zeros((1, 3, 32, 32), np.float32)
    model.embed(pixels)
    calls = 200
    return 1e6 * best(lambda: [model.embed(pixels) for _ in range(calls)], 20) / calls


def rates(seconds, folder):
    import numpy as np
    import PIL.Image

    import diptych

    model = diptych.load('starter')
    paths = sorted(str(p) for p in pathlib.Path(folder).iterdir() if p.suffix in ('.jpg', '.png'))[:64]
    pictures = [PIL.Image.open(path) for path in paths]
    pixels = np.concatenate([model.pixels(paths)] * (64 // len(paths) + 1))[:64]
    pictures = (pictures * 64)[:64]
    times = max(3, int(seconds))
    model.embed(pixels)

    def callers():
        threads = [threading.Thread(target=lambda i=i: [model.embed(pixels[i]), model.embed(pixels[i + 32])])
                   for i in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return {'pil_per_s': 64 / best(lambda: model.embed(pictures), times),
            'array_per_s': 64 / best(lambda: model.embed(pixels), times),
            'of_32_threads_per_s': 64 / best(callers, times)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('pictures')
    parser.add_argument('--seconds', type=float, default=3)
    options = parser.parse_args()
    first = f'import diptych; diptych.load("starter").classify({str(CAT)!r}, ["cat", "dog", "bird", "car", "cup"])'
    print(json.dumps({'import_s': process_seconds('import diptych'), 'first_answer_s': process_seconds(first)}))
    print(json.dumps({'call_us': overhead_microseconds()}))
    print(json.dumps(rates(options.seconds, options.pictures)))
    done = subprocess.run([options.program, 'bench', '--batch', '64', '--seconds', str(options.seconds), '--format',
                           'json'], check=True, capture_output=True, text=True)
    print(json.dumps({'program_array_per_s': json.loads(done.stdout)['images_per_s']}))


if __name__ == '__main__':
    main()
