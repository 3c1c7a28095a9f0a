"""What is in these pictures? python classify.py [PICTURE...]"""

import sys
from pathlib import Path

import diptych

HERE = Path(__file__).parent
pictures = sys.argv[1:] or [str(HERE / name) for name in ("cat.png", "coffee.jpg", "rocket.jpg")]

model = diptych.load("starter")
for result in model.classify(pictures, ["cat", "dog", "a cup of coffee", "a rocket"]):
    print(f"{result.path}: {result.label} ({result.probability:.0%})")
