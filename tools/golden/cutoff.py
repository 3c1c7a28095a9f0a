"""Golden values of the competition for pictures (src/apps/cutoff.h), in double precision.

Run in an environment with numpy 2:
    python tools/golden/cutoff.py
Writes tests/golden/cutoff/competition.json: rows of made pictures and words as nested lists, and the chances before and
after looks were learnt.
"""
import json
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "cutoff"
SCALE, STEP, EVIDENCE = 6.0, 0.35, 20


def normal(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32).astype(np.float64)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def moved(concept, shares, pictures, mean):
    n = shares.sum()
    return concept + STEP * n / (n + EVIDENCE) * (shares @ pictures / n - mean)


def chances(query, rivals, pictures, scale):
    return 1 - softmax(scale * pictures @ np.vstack([query, rivals]).T)[:, 0]


def main():
    rng = np.random.default_rng(7)
    e, m, n, k = 8, 6, 300, 30  # more pictures than are multiplied at once
    query = normal(rng.standard_normal(e))
    background = normal(rng.standard_normal((m, e)))
    background[2] = normal(query + 0.1 * background[2])  # means the same
    classes = np.vstack([query, background])
    sample = normal(classes[rng.integers(0, m + 1, n)] + 0.6 * rng.standard_normal((n, e)) + 0.3)
    order = np.argsort(-(sample @ query), kind="stable")
    nearest = sample[order[:k]]

    rivals = background[background @ query < 0.8]
    assert len(rivals) == m - 1
    mean = sample.mean(0)
    before = chances(query, rivals, nearest, 2 * SCALE)
    new_query = moved(query, 1 - before, nearest, mean)
    shares = softmax(2 * SCALE * sample @ background.T)
    new = np.stack([moved(background[c], shares[:, c], sample, mean) for c in range(m)])
    after = chances(new_query, new[background @ query < 0.8], nearest, SCALE)
    OUT.mkdir(parents=True, exist_ok=True)
    flat = {name: [float(f"{v:.8g}") for v in x.ravel()] for name, x in
            dict(query=query, background=background, sample=sample, nearest=nearest).items()}
    flat |= {"scale": SCALE, "before": [round(v, 10) for v in before.tolist()],
             "after": [round(v, 10) for v in after.tolist()]}
    (OUT / "competition.json").write_text(json.dumps(flat) + "\n", encoding="utf-8")
    print(f"chances {before.min():.3f}..{before.max():.3f} -> {after.min():.3f}..{after.max():.3f}")


if __name__ == "__main__":
    main()
