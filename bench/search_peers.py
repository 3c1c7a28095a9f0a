"""Exact search of many vectors: diptych beside faiss-cpu and usearch, one query at a time on two threads.

    python bench/search_peers.py build/scan_bench [--rows 1000000] [--dims 512] [--like EMBEDDINGS.npy...]
        [--real EMBEDDINGS.npy...] [--queries EMBEDDINGS.npy] [--work FOLDER] [--out FILE] [--record]
Build it with `ninja -C build scan_bench`; needs numpy, faiss-cpu and usearch.

The vectors: with --real the rows of those arrays as they are, for recall, else made vectors whose spectrum is that of
the arrays of --like (their covariance's eigenvalues, stretched over the dimensions; without them it falls like 1 / n)
around their mean, in clusters, so that a neighbour is nearer than chance. Queries are rows with noise of half the
spectrum's spread, and are left out of nothing: what is measured is the 10 nearest. With --queries they are those of an
array, such as texts', which lie apart from all pictures'. Truth is the inner product in fp32.
Engines take turns; each figure is the median query of its rounds.
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

import records

K, QUERIES = 10, 200


def spectrum(paths, dims):
    """(variances, the largest first; length of the mean) of unit vectors"""
    if not paths:
        values, mean = 1 / np.arange(1, dims + 1), 0.6
        return values / values.sum() * (1 - mean**2), mean
    x = np.concatenate([np.load(p) for p in paths]).astype(np.float32)
    mean = x.mean(0)
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    at = np.linspace(0, len(values) - 1, dims)
    return np.interp(at, np.arange(len(values)), values), np.linalg.norm(mean)


def make(rows, dims, like, rng):
    values, offset = spectrum(like, dims)
    scale = np.sqrt(np.maximum(values, 0)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((dims, dims)))[0].astype(np.float32)
    centre = turn[0] * offset
    clusters = rng.standard_normal((rows // 50 + 1, dims), dtype=np.float32)
    x = np.empty((rows, dims), np.float16)
    for i in range(0, rows, 100000):
        n = min(100000, rows - i)
        z = clusters[rng.integers(0, len(clusters), n)] * 0.7 + rng.standard_normal((n, dims), dtype=np.float32) * 0.7
        y = (z * scale) @ turn.T + centre
        x[i : i + n] = y / np.linalg.norm(y, axis=1, keepdims=True)
    return x


def truth(x, queries):
    best = np.full((len(queries), K), -2, np.float32)
    which = np.zeros((len(queries), K), np.int64)
    for i in range(0, len(x), 50000):
        s = np.concatenate([best, queries @ x[i : i + 50000].astype(np.float32).T], 1)
        rows = np.arange(i, i + s.shape[1] - K)
        ids = np.concatenate([which, np.broadcast_to(rows, (len(queries), len(rows)))], 1)
        top = np.argpartition(-s, K, 1)[:, :K]
        best, which = np.take_along_axis(s, top, 1), np.take_along_axis(ids, top, 1)
    return which


def recall(found, expected):
    return np.mean([len(np.intersect1d(f, e)) / K for f, e in zip(found, expected)])


def timed(call, queries):
    times, found = [], []
    for q in queries:
        start = time.perf_counter()
        found.append(call(q))
        times.append(time.perf_counter() - start)
    return np.median(times) * 1e3, np.array(found)


def faiss_engines(x, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    dims = x.shape[1]
    kinds = {"flat fp32": lambda: faiss.IndexFlatIP(dims)}
    for name, kind in (("flat fp16", "QT_fp16"), ("flat int8", "QT_8bit_direct_signed")):
        kinds[name] = lambda kind=kind: faiss.IndexScalarQuantizer(
            dims, getattr(faiss.ScalarQuantizer, kind), faiss.METRIC_INNER_PRODUCT)
    for name, factory in kinds.items():
        index = factory()
        scale = 127 / np.abs(x[:1000].astype(np.float32)).max() / 1.5 if "int8" in name else 1
        index.train(x[:1000].astype(np.float32) * scale)
        for i in range(0, len(x), 50000):
            index.add(np.clip(x[i : i + 50000].astype(np.float32) * scale, -127, 127))
        yield f"faiss {faiss.__version__} {name}", lambda q: index.search(q[None] * scale, K)[1][0]


def usearch_engines(x, threads):
    import usearch
    from usearch.index import search, MetricKind

    eight = np.clip(np.rint(x.astype(np.float32) * (127 / np.abs(x[:1000]).max() / 1.5)), -127, 127).astype(np.int8)
    for name, base in (("exact fp16", x), ("exact int8", eight)):
        scale = 1 if base is x else 127 / np.abs(x[:1000]).max() / 1.5
        call = lambda q, base=base, scale=scale: np.asarray(
            search(base, np.clip(q * scale, -127, 127).astype(base.dtype)[None], K, MetricKind.IP, exact=True,
                   threads=threads).keys).ravel()
        yield f"usearch {usearch.__version__} {name}", call


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--like", nargs="*", default=[])
    parser.add_argument("--real", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries")
    parser.add_argument("--engine", default="diptych,faiss,usearch")
    parser.add_argument("--work")
    parser.add_argument("--out")
    records.option(parser)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    work = pathlib.Path(args.work or tempfile.mkdtemp())
    work.mkdir(exist_ok=True, parents=True)
    vectors = work / "vectors.npy"
    if not vectors.exists():
        np.save(vectors, np.concatenate([np.load(p) for p in args.real]).astype(np.float16) if args.real else make(
            args.rows, args.dims, args.like, rng))
    x = np.load(vectors)
    asked = work / pathlib.Path(args.queries).stem if args.queries else work
    queries_file = asked / "queries.npy"
    if not queries_file.exists():
        asked.mkdir(exist_ok=True)
        if args.queries:
            q = np.load(args.queries).astype(np.float32)[:QUERIES]
        else:
            q = x[rng.choice(len(x), QUERIES, replace=False)].astype(np.float32)
            q += rng.standard_normal(q.shape).astype(np.float32) * (0.5 / np.sqrt(q.shape[1]))
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        np.save(queries_file, q), np.save(asked / "truth.npy", truth(x, q))
    q, expected = np.load(queries_file), np.load(asked / "truth.npy")
    table = []
    if "diptych" in args.engine:
        if not (work / "store").exists():
            print(subprocess.run([args.program, "make", vectors, work / "store"], check=True, capture_output=True,
                                 text=True).stdout.strip())
        lines = subprocess.run(["taskset", "-c", f"0-{args.threads - 1}", args.program, "search", work / "store",
                                queries_file, asked / "found.npy"], check=True, capture_output=True, text=True).stdout
        for record in map(json.loads, lines.splitlines()):
            score = recall(np.load(asked / "found.npy"), expected) if record["mode"] != "exact" else 1.0
            table.append((f"diptych {record['mode']}", record["median_ms"], score))
    for family in (faiss_engines, usearch_engines):
        if family.__name__.split("_")[0] not in args.engine:
            continue
        for name, call in family(x, args.threads):
            some = q[:20]
            timed(call, some[:3])
            ms, found = timed(call, some)
            table.append((name, ms, recall(found, expected[:20])))
    what = f"{len(x):,} x {x.shape[1]}, " + ("real embeddings" if args.real else "made with their spectrum")
    lines = [f"## {datetime.date.today()}: exact search, {what}, {args.threads} threads", "",
             "| engine | ms a query | recall@10 |", "|---|---|---|"]
    lines += [f"| {name} | {ms:.1f} | {score:.4f} |" for name, ms, score in table]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        with open(args.out, "a") as out:
            out.write("\n" + text)
    own = next((row for row in table if row[0] == "diptych sketches"), None)
    peers = [ms for name, ms, _ in table if not name.startswith("diptych")]
    if own and peers:
        name = f"search of {len(x)} x {x.shape[1]}"
        records.keep(args, {f"{name} / best peer": min(peers) / own[1], f"{name}, recall": own[2]}, "threads")


if __name__ == "__main__":
    sys.exit(main())
