"""The pictures that a sentence describes best, from embeddings. python search.py [SENTENCE]"""

import sys
from pathlib import Path

import numpy as np

import diptych

HERE = Path(__file__).parent
pictures = sorted([*HERE.glob("*.png"), *HERE.glob("*.jpg")])
sentence = sys.argv[1] if len(sys.argv) > 1 else "a drink in a cup"

model = diptych.load("starter")
scores = model.embed(pictures) @ model.embed(texts=sentence)
for i in np.argsort(-scores):
    print(f"{scores[i]:.3f}  {pictures[i].name}")
