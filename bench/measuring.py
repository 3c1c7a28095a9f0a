"""What the bench scripts share: commands with their time and memory, engines that take turns, the rates of a call."""
import json
import statistics
import subprocess
import sys
import time

MEASURE = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:]).returncode
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def measured(command, **options):
    """(standard output, seconds, peak memory in GB) of a command; `options` are those of subprocess.run. A small
    process stands between: to Linux the peak of a program is at least what the process held that became it."""
    done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, command)], capture_output=True, text=True,
                          **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    output, _, figures = done.stdout.rstrip().rpartition("\n")
    seconds, kilobytes = map(float, figures.split())
    return output, seconds, kilobytes / 1e6


def diptych_bench(program, **options):
    """The record that `diptych bench` prints."""
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    line = subprocess.run([program, "bench", *flags, "--format", "json"], check=True, capture_output=True, text=True)
    return json.loads(line.stdout)


def in_turn(engines, rounds):
    """{name: what its calls returned, one a round}. Taking turns, a machine whose speed drifts hurts all alike."""
    results = {name: [] for name in engines}
    for _ in range(rounds):
        for name, call in engines.items():
            results[name].append(call())
    return results


def medians(results):
    return {name: statistics.median(values) for name, values in results.items()}


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def best_rate(call, items, seconds):
    """Items a second: the best of the calls that fit into the time, after two to warm up."""
    call(), call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, seconds_of(call))
    return items / best
