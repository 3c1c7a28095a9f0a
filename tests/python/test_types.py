"""The types that are published: mypy --strict on the examples, and stubs that fit the extension."""

import importlib.util
import inspect
import os
import subprocess
import sys

import pytest

import diptych
from diptych import _diptych

HAS_MYPY = importlib.util.find_spec("mypy") is not None


@pytest.mark.skipif(not HAS_MYPY, reason="mypy is not installed")
def test_examples_and_package_are_strictly_typed(root, tmp_path):
    package = os.path.dirname(diptych.__file__)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *sorted((root / "examples").glob("*.py"))],
        capture_output=True, text=True, env={**os.environ, "MYPYPATH": os.path.dirname(package)}, cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_options_are_the_command_lines():
    text = _diptych.Model.classify.__doc__
    for field in ("template", "templates", "top", "reject", "save_classifier"):
        assert f"    {field}: " in text
    assert "lora_image" in _diptych.train.__doc__ and "max_megapixels" in _diptych.Model.__init__.__doc__


def test_calls_name_their_errors():
    from diptych import CLIPModel, CLIPProcessor, SentenceTransformer, open_clip

    model = diptych.Model
    calls = [model.classify, model.embed, model.embed_ids, model.logits, model.pixels, model.similarity, model.tokenize]
    calls += [diptych.load, CLIPModel.from_pretrained, CLIPModel.__call__, CLIPModel.get_image_features]
    calls += [CLIPModel.get_text_features, CLIPProcessor.__call__, SentenceTransformer.encode]
    calls += [open_clip.CLIP.encode_image, open_clip.CLIP.encode_text, open_clip.create_model]
    assert not [call for call in calls if "rrors" not in call.__doc__]


def test_everything_public_has_a_docstring():
    bare = [
        f"{name}.{member}"
        for name, value in vars(_diptych).items()
        if inspect.isclass(value)
        for member, one in vars(value).items()
        if callable(one) and not member.startswith("_") and not one.__doc__
    ]
    assert not bare
