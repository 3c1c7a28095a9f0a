#!/usr/bin/env python3
"""What Python adds to the library: times of the import, a first answer and a call, and rates beside the program's.

usage: PYTHONPATH=BUILD/python python_bench.py BUILD/diptych PICTURES_FOLDER [--rounds 3] [--seconds 0.5] [--record]

Times are the best of several runs, since a shared machine only ever makes things slower. Rates are measured in turn,
round by round: of each the median is given, of ratios the median of the rounds' own. The program's rates: `bench` for
ready arrays; for files `embed`, of which the time of a run with fewer pictures is taken off, so that loading the model
is not counted. Of pictures, opening and decoding is counted, but for those that are decoded already.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import records

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / 'tests/support'
CAT = pathlib.Path(__file__).resolve().parents[1] / 'examples/cat.png'
COUNT = 64  # pictures of a call
TIMES = 4  # calls with an array a round: of 32 threads the first and the last pictures are less well batched


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best(call, times):
    return min(seconds_of(call) for _ in range(times))


def mean_seconds(call, times):
    """Of calls one after the other, after one that finds cold caches."""
    call()
    return seconds_of(lambda: [call() for _ in range(times)]) / times


def process_seconds(code):
    """Of a program's lines, without the start of the interpreter."""
    empty = best(lambda: subprocess.run([sys.executable, '-c', ''], check=True), 5)
    return best(lambda: subprocess.run([sys.executable, '-c', code], check=True), 5) - empty


def program_bench(program, *options):
    done = subprocess.run([program, 'bench', *options, '--format', 'json'], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def call_microseconds(program):
    """(a call with a ready array, the same picture in the program's own loop) of a tower so small that little else than
    the way to it is left."""
    import numpy as np

    import diptych

    sys.path.insert(0, str(SUPPORT))
    from made_checkpoint import write_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(pathlib.Path(folder), 'hf_legacy_eos')
        model = diptych.load(folder, threads=1)
        pixels = np.zeros((1, 3, model.image_size, model.image_size), np.float32)
        model.embed(pixels)
        ours = 1e6 * best(lambda: model.embed(pixels), 4000)
        inside = program_bench(program, '--model', folder, '--threads', '1', '--batch', '1', '--seconds', '0.2')
    return ours, 1e3 * inside['one_image_ms']


class Rates:
    """Pictures a second of each way to the image tower."""

    def __init__(self, program, folder, seconds):
        import numpy as np
        import PIL.Image

        import diptych

        paths = sorted(str(p) for p in pathlib.Path(folder).iterdir() if p.suffix in ('.jpg', '.png'))
        self._open = PIL.Image.open
        self._paths = (paths * COUNT)[:COUNT]
        self._model = diptych.load('starter')
        self._pixels = np.ascontiguousarray(self._model.pixels(self._paths))
        self._program, self._seconds = program, seconds
        self._model.embed(self._pixels)

    def _opened(self):
        return [self._open(path) for path in self._paths]

    def _embed_files(self, times):
        with tempfile.TemporaryDirectory() as folder:
            names = pathlib.Path(folder, 'names')
            names.write_text('\n'.join(self._paths * times))
            command = [self._program, 'embed', '--files-from', names, '--out', folder + '/rows.npy']
            return seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))

    def program_files(self):
        return 4 * COUNT / (self._embed_files(5) - self._embed_files(1))

    def program_array(self):
        return program_bench(self._program, '--batch', str(COUNT), '--seconds', str(self._seconds))['images_per_s']

    def python_files(self):
        return COUNT / mean_seconds(lambda: self._model.embed(self._paths), 2)

    def python_opened(self):
        """Pictures that PIL has opened and not yet decoded."""
        return COUNT / mean_seconds(lambda: self._model.embed(self._opened()), 2)

    def python_decoded(self):
        pictures = self._opened()
        for picture in pictures:
            picture.load()
        return COUNT / mean_seconds(lambda: self._model.embed(pictures), 2)

    def python_array(self):
        return COUNT / mean_seconds(lambda: self._model.embed(self._pixels), TIMES)

    def python_array_best(self):
        """As the program's `bench` measures."""
        return COUNT / best(lambda: self._model.embed(self._pixels), TIMES)

    def python_32_threads(self):
        """Each with one picture at a time."""
        def one(first):
            for _ in range(TIMES):
                for i in range(first, COUNT, 32):
                    self._model.embed(self._pixels[i])

        def all_of_them():
            threads = [threading.Thread(target=one, args=(i,)) for i in range(32)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return TIMES * COUNT / seconds_of(all_of_them)

    def measure(self, rounds):
        """{way: rates}, one for each round."""
        ways = (self.program_files, self.python_opened, self.python_files, self.python_decoded, self.program_array,
                self.python_array_best, self.python_array, self.python_32_threads)
        found = {way.__name__: [] for way in ways}
        for _ in range(rounds):
            for way in ways:
                found[way.__name__].append(way())
        return found


RATIOS = {'python opened PIL / program files': ('python_opened', 'program_files'),
          'python opened PIL / python files': ('python_opened', 'python_files'),
          'python decoded PIL / python files': ('python_decoded', 'python_files'),
          'python array / program array': ('python_array_best', 'program_array'),
          'python 32 threads / batches': ('python_32_threads', 'python_array')}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('pictures')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=0.5)
    parser.add_argument('--record', action='store_true', help='adds the ratios to bench/records.jsonl')
    options = parser.parse_args()
    first = f'import diptych; diptych.load("starter").classify({str(CAT)!r}, ["cat", "dog", "bird", "car", "cup"])'
    print(json.dumps({'import_s': process_seconds('import diptych'), 'first_answer_s': process_seconds(first)}))
    call, inside = call_microseconds(options.program)
    print(json.dumps({'call_us': call, 'inside_us': inside, 'overhead_us': call - inside}))
    rates = Rates(options.program, options.pictures, options.seconds).measure(options.rounds)
    print(json.dumps({name + '_per_s': round(statistics.median(found), 1) for name, found in rates.items()}))
    each = {name: [a / b for a, b in zip(rates[above], rates[below])] for name, (above, below) in RATIOS.items()}
    print(json.dumps({name: [round(x, 3) for x in sorted(found)] for name, found in each.items()}))
    ratios = {name: statistics.median(found) for name, found in each.items()}
    print(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}))
    if options.record:
        records.append(f'python_bench.py --rounds {options.rounds} --seconds {options.seconds}', ratios)


if __name__ == '__main__':
    main()
