"""Indexes that look at a part of the vectors, faiss-cpu's HNSW and IVF-PQ: what they cost and what they find.

    python bench/ann_peers.py WORK [--asked FOLDER] [--threads 2] [--kinds "HNSW32;IVF4096,PQ64"] [--out FILE.jsonl]
WORK is what `search_peers.py --work WORK` made: vectors, queries and their true neighbours. With `--queries FILE.npy`
there, queries and neighbours are in WORK/FILE, to be named by --asked. One JSON line for each setting of an index:
seconds to build it, its bytes a vector (as faiss writes it), recall@10, and milliseconds of the median query, one at a
time.
"""
import argparse
import json
import pathlib
import sys
import time

import faiss
import numpy as np

from search_peers import K, recall, timed

TRAINED_ON = 100_000
PIECE = 50_000
# Of IVF-PQ the best few are read again as they are, as diptych does after its sketches.
RERANKED = 200


def build(kind, x):
    dims = x.shape[1]
    index = faiss.index_factory(dims, kind, faiss.METRIC_INNER_PRODUCT)
    start = time.perf_counter()
    if not index.is_trained:
        some = np.random.default_rng(0).choice(len(x), min(TRAINED_ON, len(x)), replace=False)
        index.train(x[np.sort(some)].astype(np.float32))
    for i in range(0, len(x), PIECE):
        index.add(x[i : i + PIECE].astype(np.float32))
    return index, time.perf_counter() - start


def searches(kind, index, x):
    """(setting, call) pairs: how widely to look."""
    if "HNSW" in kind:
        for width in (16, 64, 256, 1024):
            parameters = faiss.SearchParametersHNSW(efSearch=width)
            yield f"efSearch {width}", lambda q, p=parameters: index.search(q[None], K, params=p)[1][0]
        return
    for probes in (16, 64, 256, 1024):
        parameters = faiss.SearchParametersIVF(nprobe=probes)

        def call(q, p=parameters):
            found = index.search(q[None], RERANKED, params=p)[1][0]
            found = found[found >= 0]
            return found[np.argsort(-(x[found].astype(np.float32) @ q))[:K]]

        yield f"nprobe {probes}, {RERANKED} read again", call


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kinds", default="IVF4096,PQ64;HNSW32", help="of faiss's index_factory, a ; between them")
    parser.add_argument("--asked", type=pathlib.Path, help="the folder of other queries and their neighbours")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--saved", type=pathlib.Path, help="a folder to keep the built indexes in, to measure again")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    faiss.omp_set_num_threads(args.threads)
    x = np.load(args.work / "vectors.npy", mmap_mode="r")
    asked = args.asked or args.work
    queries, expected = np.load(asked / "queries.npy")[: args.queries], np.load(asked / "truth.npy")
    for kind in args.kinds.split(";"):
        saved = args.saved / (kind.replace(",", "-") + ".faiss") if args.saved else None
        seconds = None
        if saved and saved.exists():
            index = faiss.read_index(str(saved))
        else:
            index, seconds = build(kind, x)
            if saved:
                faiss.write_index(index, str(saved))
        size = faiss.serialize_index(index).nbytes / len(x)
        for setting, call in searches(kind, index, x):
            timed(call, queries[:5])
            ms, found = timed(call, queries)
            line = json.dumps({"index": kind, "faiss": faiss.__version__, "rows": len(x), "dims": x.shape[1],
                               "build_s": seconds and round(seconds, 1), "bytes_a_vector": round(size),
                               "setting": setting, "recall": round(float(recall(found, expected)), 4),
                               "ms": round(ms, 2)})
            print(line, flush=True)
            if args.out:
                with args.out.open("a", encoding="utf-8") as out:
                    out.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
