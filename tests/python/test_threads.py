"""Threads, forks, Ctrl-C."""

import concurrent.futures
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from interpreter import run, seconds_to_interrupt


def test_calls_of_many_threads_are_right(starter, photos):
    wanted = starter.embed(photos)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(starter.embed, photos * 8))
    assert np.abs(np.array(found) - np.tile(wanted, (8, 1))).max() < 1e-5
    pixels = starter.pixels(photos)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda i: starter.embed(pixels[i % 3]), range(24)))
    assert np.abs(np.array(found) - np.tile(wanted, (8, 1))).max() < 1e-5


def test_other_threads_run_meanwhile(starter, cat):
    count = 0

    def embed():
        starter.embed([cat] * 64)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        job = pool.submit(embed)
        while not job.done():
            count += 1
            time.sleep(0.001)
    assert count > 10


def test_a_fork_before_use_computes(cat):
    assert "cat" in run(f"""
        import os, diptych
        model = diptych.load("starter")
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, model.classify({cat!r}, ["cat", "dog"]).label.encode())
            os._exit(0)
        os.wait()
        print(os.read(read, 100).decode())
    """)


def test_a_fork_after_use_is_told_so(cat):
    said = run(f"""
        import os, diptych
        model = diptych.load("starter")
        model.embed([{cat!r}] * 4)
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                model.embed({cat!r})
                answer = "computed"
            except RuntimeError as error:
                answer = str(error)
            answer += f" {{model.processor.pixels({cat!r}).shape}} {{len(model.tokenize('a cat'))}}"
            os.write(write, answer.encode())
            os._exit(0)
        os.wait()
        print(os.read(read, 1000).decode())
        model.embed({cat!r})
    """)
    assert "was forked from process" in said and "spawn" in said
    assert "(1, 3, 224, 224) 4" in said, said


def test_workers_by_spawn(starter, cat, tmp_path):
    script = textwrap.dedent(f"""
        import multiprocessing, diptych
        def embed(model, path):
            return model.embed(path).shape
        if __name__ == "__main__":
            model = diptych.load("starter")
            model.embed({cat!r})
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(embed, (model, {cat!r})))
    """)
    (tmp_path / "main.py").write_text(script)
    done = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"({starter.embed_dim},)", done.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_long_work(cat, threads):
    prepare = f"""
        import diptych
        model = diptych.load("starter", threads={threads})
        model.embed({cat!r})
    """
    assert seconds_to_interrupt(prepare, f"model.embed([{cat!r}] * 100000)") < 0.5


def test_a_handler_that_does_not_raise_changes_nothing(starter, photos):
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        rows = starter.embed(photos * 20)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen and rows.shape[0] == 60


def test_the_import_is_small():
    """Neither numpy nor the extension is loaded before something is asked for."""
    run("""
        import sys, diptych
        assert "numpy" not in sys.modules and "diptych._diptych" not in sys.modules
        assert "load" in dir(diptych) and "CLIPModel" in dir(diptych)
    """)


def test_the_progress_bar():
    from diptych import _progress

    bar = _progress.Bar(total=10, elapsed=2.0, notebook=False)
    bar._done = 5
    line = bar.line(60)
    assert line.startswith(" 50%|") and " 5/10 [2.5/s, 2 s left]" in line and len(line) <= 60
    assert _progress.bar(10, 2.0) is None  # under a test nobody watches
