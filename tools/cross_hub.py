#!/usr/bin/env python3
"""Checks that this program and huggingface_hub use one cache together: what one downloads the other finds.

Both are pointed at build/fake_hub, a hub on the loopback. Run with huggingface_hub 2.4.0 from PyPI, which is why it is
no part of ctest.  usage: cross_hub.py [BUILD]
"""
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else 'build').resolve()
REPO = 'org/model'
NEEDED = ['config.json', 'model.safetensors', 'deep/er/vocab.json']
PYTHON_PULL = 'import sys, huggingface_hub as h; print(h.snapshot_download(sys.argv[1], revision=sys.argv[2]))'
LARGE = 100_000_000


def make_repository(folder):
    (folder / 'deep/er').mkdir(parents=True)
    (folder / 'config.json').write_text('{"projection_dim": 512}')
    (folder / 'deep/er/vocab.json').write_text('{}' * 40)
    (folder / 'README.md').write_text('A model.')
    (folder / 'empty.txt').write_text('')
    (folder / 'model.safetensors').write_bytes(random.Random(1).randbytes(LARGE))


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob('*')) if path.is_file()}


class Bench:
    """One empty cache and the commands that fill it."""

    def __init__(self, hub_url, folder):
        self.cache = Path(tempfile.mkdtemp(dir=folder))
        self.env = dict(os.environ, HF_ENDPOINT=hub_url, HF_HUB_CACHE=str(self.cache), HF_HUB_DISABLE_PROGRESS_BARS='1',
                        HF_HUB_DISABLE_TELEMETRY='1')
        self.env.pop('HF_TOKEN', None)
        self.repo = self.cache / 'models--org--model'

    def ours(self, *needs, offline=False):
        return self.start([BUILD / 'hub_pull', REPO, 'main', *needs], offline)

    def python(self, code=PYTHON_PULL, offline=False):
        return self.start([sys.executable, '-c', code, REPO, 'main'], offline)

    def start(self, command, offline):
        return subprocess.Popen(command, env=dict(self.env, HF_HUB_OFFLINE='1' if offline else '0'), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def blobs(self):
        return {path.name: path.stat().st_ino for path in (self.repo / 'blobs').iterdir()}

    def partial_bytes(self):
        return sum(path.stat().st_size for path in self.repo.glob('blobs/*.incomplete') if path.exists())


def finish(process):
    out, err = process.communicate(timeout=120)
    if process.returncode != 0:
        raise SystemExit(f'{process.args}: {err}')
    return out.strip()


def kill_midway(bench, process):
    while bench.partial_bytes() < LARGE / 20 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return bench.partial_bytes()


def check(name, condition):
    print(('ok    ' if condition else 'FAILED') + ' ' + name)
    if not condition:
        raise SystemExit(1)


def one_after_the_other(url, folder, truth):
    bench = Bench(url, folder)
    found = finish(bench.ours())
    check('ours downloads everything', digests(found) == truth)
    blobs = bench.blobs()
    check('Python finds it offline', finish(bench.python(offline=True)) == found)
    check('Python finds it online', finish(bench.python()) == found and bench.blobs() == blobs)
    scan = 'import huggingface_hub as h; r = h.scan_cache_dir(); print(len(r.warnings), len(r.repos))'
    check('Python\'s scan of the cache has no warning', finish(bench.python(scan)) == '0 1')
    finish(bench.ours('config.json', '+tokenizer.json'))
    absent = ('import huggingface_hub as h; from huggingface_hub.file_download import _CACHED_NO_EXIST as none; '
              f'print(h.try_to_load_from_cache("{REPO}", "tokenizer.json") is none)')
    check('Python knows the file that we found to be absent', finish(bench.python(absent)) == 'True')

    bench = Bench(url, folder)
    found = finish(bench.python())
    check('Python downloads everything', digests(found) == truth)
    blobs = bench.blobs()
    check('ours finds it offline', finish(bench.ours(*NEEDED, offline=True)) == found)
    check('ours finds it online', finish(bench.ours()) == found and bench.blobs() == blobs)


def interrupted(url, folder, truth):
    bench = Bench(url, folder)
    left = kill_midway(bench, bench.ours())
    check(f'ours was killed after {left} bytes', 0 < left < LARGE)
    check('Python completes it', digests(finish(bench.python())) == truth)
    check('ours finds it', digests(finish(bench.ours(*NEEDED, offline=True))) == truth)

    bench = Bench(url, folder)
    left = kill_midway(bench, bench.python())
    check(f'Python was killed after {left} bytes', 0 < left < LARGE)
    check('ours completes it', digests(finish(bench.ours())) == truth)
    check('Python finds it', digests(finish(bench.python(offline=True))) == truth)

    bench = Bench(url, folder)
    left = kill_midway(bench, bench.ours())
    check(f'ours was killed after {left} bytes', 0 < left < LARGE)
    check('ours resumes it', digests(finish(bench.ours())) == truth and bench.partial_bytes() == 0)


def side_by_side(url, folder, truth):
    bench = Bench(url, folder)
    processes = [start() for _ in range(3) for start in (bench.python, bench.ours)]
    folders = {finish(process) for process in processes}
    check('three of each at once agree', len(folders) == 1 and digests(folders.pop()) == truth)
    check('each blob is there once, no partial file is left', len(bench.blobs()) == len(truth))


def main():
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / 'repository'
        make_repository(repository)
        truth = digests(repository)
        hub = subprocess.Popen([BUILD / 'fake_hub', '0', f'{REPO}={repository}'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        try:
            url = hub.stdout.readline().strip()
            for step in (one_after_the_other, interrupted, side_by_side):
                step(url, folder, truth)
        finally:
            hub.stdin.close()
            hub.wait()


if __name__ == '__main__':
    main()
