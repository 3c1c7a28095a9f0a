"""Teaches the model classes that it does not know, from captioned pictures. python train.py [OUT]"""

import sys
import tempfile
from pathlib import Path

import diptych

HERE = Path(__file__).parent
CLASSES = ["brick", "grass", "gravel"]
held_out = sorted(HERE.glob("held-out/*/*.jpg"))  # a folder a class


def found(model: diptych.Model) -> int:
    answers = model.classify(held_out, CLASSES, template="{}")
    return sum(answer.label == picture.parent.name for answer, picture in zip(answers, held_out))


with tempfile.TemporaryDirectory() as scratch:
    out = sys.argv[1] if len(sys.argv) > 1 else f"{scratch}/model"
    before = found(diptych.load("starter"))
    summary = diptych.train(
        train_data=str(HERE / "pairs"), out=out, init="starter",
        lock_image=True, lora_text=8, batch=16, steps=20, warmup=5, lr=2e-4,
        on_step=lambda step: print(f"step {step['step']:.0f}: loss {step['loss']:.3f}") if "loss" in step else None,
    )  # fmt: skip
    print(summary)
    print(f"of {len(held_out)} pictures, {before} were found before and {found(diptych.load(out))} are now")
