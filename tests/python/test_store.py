"""Stores: index, search, dedup and their care, on real pictures."""

import shutil

import numpy as np
import pytest

import diptych


@pytest.fixture(scope="module")
def store(starter, root, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("stores") / "photos.store")
    summary = starter.index([root / "examples/pairs", root / "examples/cat.png"], store=path)
    assert summary.added == summary.pictures > 10 and summary.skipped == []
    return path


def test_index_only_embeds_what_is_new(starter, root, store):
    again = starter.index([root / "examples/pairs", root / "examples/cat.png"], store=store, progress=False)
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert again.unchanged == again.pictures


def test_rows_are_the_embeddings(starter, store, cat):
    paths, rows = diptych.Store(store).rows()
    assert rows.shape == (len(paths), starter.embed_dim) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[paths.index(cat)], starter.embed(cat), atol=1e-3)


def test_search_by_words_by_picture_and_by_a_sum(starter, store, cat):
    hits = starter.search("a photo of a cat", store=store, top=3)
    assert len(hits) == 3 and "/cat" in hits[0].path and hits[0].score > hits[1].score
    assert hits[0].width > 0 and hits[0].chance is None
    assert starter.search(image=[cat], store=store, top=1)[0].score == pytest.approx(1, abs=2e-3)
    assert starter.search(query=f"a cat + 3:{cat} - grass", store=store, top=1)[0].path == cat
    assert starter.search("a cat", store=store, where="path not like '%cat.png'", top=1)[0].path != cat
    exact = starter.search("a photo of a cat", store=store, top=3, exact=True)
    assert [hit.path for hit in exact] == [hit.path for hit in hits]


def test_pictures_that_cannot_be_read_are_passed_over(starter, cat, tmp_path):
    shutil.copy(cat, tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not a picture")
    summary = starter.index(tmp_path, store=str(tmp_path / "s"))
    assert summary.added == 1
    (skipped,) = summary.skipped
    assert skipped.path == str(tmp_path / "b.png") and skipped.path in skipped.reason


def test_dedup_moves_and_moves_back(starter, root, cat, tmp_path):
    photos, store = tmp_path / "photos", str(tmp_path / "photos.store")
    photos.mkdir()
    for name in ("one.png", "two.png"):
        shutil.copy(cat, photos / name)
    shutil.copy(root / "examples/coffee.jpg", photos)
    starter.index(photos, store=store)
    found = diptych.dedup(store=store)
    assert (found.pictures, found.groups, found.exact, len(found)) == (3, 1, 1, 2)
    assert [(row.keep, row.tier) for row in found.rows] == [(True, "exact"), (False, "exact")]
    moved = diptych.dedup(store=store, apply=True, move_to=str(tmp_path / "aside"))
    assert moved.moved == 1 and not (photos / "two.png").exists()
    assert diptych.dedup(undo=str(tmp_path / "aside/undo.jsonl")).moved == 1 and (photos / "two.png").exists()


def test_care(starter, cat, store, tmp_path):
    care = diptych.Store(store)
    assert care.verify() == [] and care.info().model == "starter" and len(care) == care.info().pictures
    merged = diptych.Store(tmp_path / "merged")
    assert merged.merge(store) == len(care) == len(merged)
    merged.export(tmp_path / "exported")
    assert np.load(tmp_path / "exported/img_emb/img_emb_0.npy").shape == (len(care), starter.embed_dim)
    copy = str(tmp_path / "imported")
    assert starter.import_arrays(copy, tmp_path / "exported/img_emb/img_emb_0.npy") == len(care)
    assert "/cat" in starter.search("a cat", store=copy, top=1)[0].path
    gone = tmp_path / "gone"
    gone.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(cat, gone / name)
    starter.index(gone, store=str(merged.path))
    (gone / "a.png").unlink()
    assert starter.index(gone, store=str(merged.path)).removed == 1
    assert merged.gc() == 1 and merged.gc() == 0


def test_errors(starter, checkpoint, store, tmp_path):
    with pytest.raises(FileNotFoundError):
        starter.search("a cat", store=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="store"):
        starter.search("a cat")
    with pytest.raises(ValueError, match="where"):
        starter.search("a cat", store=store, where="width >")
    with pytest.raises(TypeError, match="pictures"):
        starter.index(3, store=store)
    with pytest.raises(ValueError, match="store"):
        diptych.dedup()
    other = diptych.load(checkpoint("hf_gelu")[0])
    with pytest.raises(ValueError, match="model"):
        other.search("a cat", store=store)
