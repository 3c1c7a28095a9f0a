"""diptych.load and the Model that it gives."""

import pickle

import numpy as np
import PIL.Image
import pytest

import diptych

LABELS = ["cat", "dog", "bird", "car"]


def test_classify(starter, cat):
    result = starter.classify(cat, LABELS)
    assert result.label == "cat" and result[0].label == "cat" and len(result) == 4
    assert sum(p.probability for p in result) == pytest.approx(1, abs=1e-6)
    assert result.path == cat and result.picture == cat and result.rejected is None
    assert "cat 8" in repr(result)


def test_classify_with_options(starter, cat):
    assert len(starter.classify(cat, LABELS, top=2)) == 2
    assert starter.classify(cat, LABELS, templates="openai").label == "cat"
    assert starter.classify(cat, ["spoon", "bridge"], reject=True).rejected is True
    assert starter.classify(cat, ["spoon", "bridge"], reject=0.0).rejected is False


def test_many_pictures_and_labels_made_once(starter, photos):
    labels = starter.labels(["cat", "coffee", "rocket"])
    assert labels.labels == ["cat", "coffee", "rocket"] and len(labels) == 3
    results = starter.classify(photos, labels)
    assert [r.label for r in results] == ["cat", "coffee", "rocket"]
    assert [r.picture for r in results] == photos


def test_precision_is_what_is_in_use(starter, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what "auto" remembers
    chosen = diptych.load("starter", precision="auto").precision
    assert starter.precision == "fp32" and chosen in ("fp32", "bf16", "int8")
    assert diptych.load("starter", precision="bf16").precision == "bf16"


def test_saved_labels(starter, cat, tmp_path):
    starter.labels(LABELS, save_classifier=tmp_path / "labels.safetensors")
    assert starter.classify(cat, classifier=tmp_path / "labels.safetensors").label == "cat"


def test_a_picture_is_the_same_in_every_form(starter, cat):
    image = PIL.Image.open(cat)
    forms = [cat, open(cat, "rb").read(), image, np.asarray(image.convert("RGB")), image.convert("RGB")]
    rows = starter.embed(forms)
    assert rows.shape == (5, starter.embed_dim) and rows.dtype == np.float32
    assert np.abs(rows - rows[0]).max() < 1e-5
    assert np.array_equal(starter.pixels(cat), starter.pixels(image))
    ready = starter.embed(starter.pixels(forms))
    assert np.abs(ready - rows).max() < 1e-5


def test_single_and_many(starter, cat):
    assert starter.embed(cat).shape == (starter.embed_dim,)
    assert starter.embed([cat]).shape == (1, starter.embed_dim)
    assert starter.embed(texts="a cat").shape == (starter.embed_dim,)
    assert starter.embed(texts=["a cat", "a dog"]).shape == (2, starter.embed_dim)
    assert starter.embed(p for p in [cat, cat]).shape == (2, starter.embed_dim)
    assert np.linalg.norm(starter.embed(cat)) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(starter.embed(cat, no_normalize=True)) != pytest.approx(1, abs=1e-3)


def test_similarity(starter, photos):
    both = starter.similarity(photos, photos[:1], texts=["a cat", "a rocket"])
    assert both.shape == (3, 3) and both.pictures == 1
    assert both[0, 0] == pytest.approx(1, abs=1e-5) and both[2, 2] > both[2, 1]
    alone = starter.similarity(photos)
    assert alone.shape == (3, 3) and np.asarray(alone).dtype == np.float32
    assert "3 pictures with 1 pictures and 2 texts" in repr(both)


def test_tokens(starter):
    ids = starter.tokenize("a photo of a cat")
    assert ids == starter.tokenize(["a photo of a cat", "x"])[0]
    padded = np.array([ids + [0] * 5], dtype=np.int32)
    assert np.abs(starter.embed_ids(padded)[0] - starter.embed(texts="a photo of a cat")).max() < 1e-5
    long = "cat " * 500
    assert len(starter.tokenize(long)) == starter.context_length
    assert len(starter.tokenize(long, truncate=False)) > starter.context_length


def test_what_it_says_of_itself(starter):
    info = starter.info()
    assert info.embed_dim == starter.embed_dim and info.parameters > 20_000_000
    assert all(fact.source for fact in info.facts)
    assert "starter" in repr(starter) and "fp32" in repr(starter) and f"E = {starter.embed_dim}" in repr(starter)
    assert "reject" in diptych.Model.classify.__doc__


def test_a_model_is_pickled_by_name(starter, cat):
    again = pickle.loads(pickle.dumps(diptych.load("starter", threads=1)))
    assert again.threads == 1
    assert np.abs(again.embed(cat) - starter.embed(cat)).max() < 1e-5


def test_results_draw_themselves(starter, photos, cat):
    page = starter.classify(cat, ["<cat>", "dog"])._repr_html_()
    assert "&lt;cat&gt;" in page and "data:image/png;base64," in page and " %" in page
    assert starter.classify(photos, LABELS)._repr_html_().count("<table") == 3
    heat = starter.similarity(photos, texts=["a <b>"])._repr_html_()
    assert "a &lt;b&gt;" in heat and heat.count("<img") == 3 and heat.count("<td") == 3


def test_picture_options(cat, root):
    plain = diptych.load("starter")
    assert not np.array_equal(
        diptych.load("starter", alpha="white").pixels(root / "tests/pictures/alpha.png"),
        plain.pixels(root / "tests/pictures/alpha.png"),
    )
    with pytest.raises(ValueError, match="max_megapixels|megapixel"):
        diptych.load("starter", max_megapixels=0.001).embed(cat)


def test_merged_tokens(checkpoint, cat):
    folder, _ = checkpoint("hf_legacy_eos")
    exact, merged = (diptych.load(folder, merge_tokens=r).embed(cat) for r in (0, 6))
    assert 0.5 < float(exact @ merged) < 0.9999
    with pytest.raises(ValueError, match="no tokens to merge"):
        diptych.load("starter", merge_tokens=1)
    with pytest.raises(TypeError, match="merge_tokens"):
        diptych.Processor("starter", merge_tokens=1)


def test_precision_says_what_is_in_use():
    model = diptych.load("starter", precision="auto")
    assert model.precision in ("fp32", "bf16", "int8") and model.precision in repr(model)
