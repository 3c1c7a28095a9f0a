"""Which picture goes with which caption: a table of cosines. python similarity.py"""

from pathlib import Path

import diptych

HERE = Path(__file__).parent
pictures = [str(HERE / name) for name in ("cat.png", "coffee.jpg", "rocket.jpg")]
captions = ["a tabby cat", "a cup of coffee", "a rocket before its launch"]

model = diptych.load("starter")
table = model.similarity(pictures, texts=captions)
for picture, row in zip(pictures, table.matrix):
    print(Path(picture).name, "-", captions[int(row.argmax())], [round(float(value), 3) for value in row])
