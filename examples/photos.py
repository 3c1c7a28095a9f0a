"""A collection of pictures by meaning, and what is in it twice. python photos.py [FOLDER] [SENTENCE]"""

import sys
import tempfile
from pathlib import Path

import diptych

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
sentence = sys.argv[2] if len(sys.argv) > 2 else "a drink in a cup"

with tempfile.TemporaryDirectory() as scratch:  # keep the store: the next run then embeds only what is new
    store = f"{scratch}/photos.store"
    model = diptych.load("starter")
    print(model.index(folder, store=store))
    for hit in model.search(sentence, store=store, top=5):
        print(f"{hit.score:.3f}  {hit.path}")
    for row in diptych.dedup(store=store, threshold=0.9).rows:
        print(f"group {row.group + 1}: {'keep' if row.keep else row.tier}  {row.path}")
