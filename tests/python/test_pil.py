"""PIL's pictures: only opened or decoded, sharing files, closed, cut off."""

import io
import pathlib
import sys
import tarfile
import threading

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from interpreter import seconds_to_interrupt

import diptych


def opened(paths):
    return [PIL.Image.open(path) for path in paths]


def decoded(paths):
    pictures = opened(paths)
    for picture in pictures:
        picture.load()
    return pictures


@pytest.fixture(scope="module")
def samples(root):
    """A picture of each format and mode that this Pillow reads."""
    readable = []
    for path in sorted((root / "tests/pictures").iterdir()):
        try:
            decoded([path])
        except Exception:
            continue
        readable.append(path)
    assert len(readable) > 40
    return readable


@pytest.fixture
def cut(photos, tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(pathlib.Path(photos[1]).read_bytes()[:9000])
    return path


class Odd(PIL.Image.Image):
    """A picture that raises what PIL does not, or tells on which thread it is decoded."""

    def __init__(self, error=None):
        super().__init__()
        made = PIL.Image.new("RGB", (8, 8))
        self.im, self._mode, self._size = made.im, made.mode, made.size
        self.error, self.threads = error, set()

    def load(self):
        self.threads.add(threading.get_ident())
        if self.error:
            raise self.error
        return super().load()


def test_opened_and_decoded_pictures_are_the_same(starter, samples):
    pictures, wanted = opened(samples), decoded(samples)
    pixels = starter.pixels(pictures)
    assert np.array_equal(pixels, starter.pixels(wanted))
    assert np.array_equal(pixels, np.stack([starter.pixels(PIL.Image.open(path)) for path in samples]))
    assert np.array_equal(starter.embed(opened(samples)), starter.embed(wanted))


def test_pictures_are_usable_afterwards(starter, samples):
    pictures, references = opened(samples), [sys.getrefcount(picture) for picture in decoded(samples)]
    starter.embed(pictures)
    for picture, wanted in zip(pictures, decoded(samples)):
        assert (picture.mode, picture.size) == (wanted.mode, wanted.size), wanted
        assert picture.tobytes() == wanted.tobytes() and picture.resize((5, 5)).size == (5, 5), wanted
    del picture, wanted
    assert [sys.getrefcount(picture) for picture in pictures] == references


def test_their_pixels_are_those_of_their_files(starter, root):
    for path in sorted((root / "tests/pictures").glob("*.png")):
        if "16" in path.name:  # opened as I;16, which is given over as RGB
            continue
        assert np.array_equal(starter.pixels(PIL.Image.open(path)), starter.pixels(path)), path.name


def test_pictures_that_share_what_they_read_from(photos, tmp_path):
    model = diptych.load("starter", threads=3)
    with open(photos[1], "rb") as file:
        shared = [PIL.Image.open(file), PIL.Image.open(file), PIL.Image.open(file)]
        pixels = model.pixels([*opened(photos), *shared, *opened(photos)])
    assert np.array_equal(pixels, model.pixels([*photos, *photos[1:2] * 3, *photos]))
    memory = io.BytesIO(pathlib.Path(photos[1]).read_bytes())
    again = PIL.Image.open(memory)
    same = [again, PIL.Image.open(memory), again, again]
    assert np.array_equal(model.pixels(same), model.pixels([photos[1]] * 4))
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for number in range(12):
            archive.add(photos[1 + number % 2], str(number))
    with tarfile.open(tmp_path / "photos.tar") as archive:
        parts = [PIL.Image.open(archive.extractfile(member)) for member in archive]
        assert np.array_equal(model.pixels(parts), model.pixels(photos[1:] * 6))


def test_they_are_decoded_beside_the_computation(starter):
    pictures = [Odd() for _ in range(64)]
    starter.embed(pictures)
    assert all(threading.get_ident() not in picture.threads for picture in pictures)
    assert len(set.union(*(picture.threads for picture in pictures))) == starter.threads
    pictures = [Odd(ValueError("mine")), *(Odd() for _ in range(1000))]
    with pytest.raises(ValueError, match="mine"):
        starter.embed(pictures)
    assert sum(len(picture.threads) for picture in pictures) < 200  # the others were not wanted any more


def test_a_generator_may_change_what_it_gives(starter, samples):
    def frames():
        with PIL.Image.open(next(path for path in samples if path.name == "animated.gif")) as picture:
            for number in range(picture.n_frames):
                picture.seek(number)
                yield picture

    wanted = np.stack([starter.pixels(frame.copy()) for frame in frames()])
    assert len(wanted) > 1 and not np.array_equal(wanted[0], wanted[1])
    assert np.array_equal(starter.pixels(frames()), wanted)


@pytest.mark.parametrize("call", ["embed", "pixels", "classify"])
def test_the_first_bad_picture_of_a_list_is_told_as_it_was_raised(starter, photos, cut, call):
    def give(pictures):
        return starter.classify(pictures, ["a", "b"]) if call == "classify" else getattr(starter, call)(pictures)

    closed = PIL.Image.open(photos[0])
    closed.fp.close()
    good, missing, odd = photos[0], "no/such.jpg", Odd(KeyError("mine"))
    with pytest.raises(OSError, match="truncated"):
        give([*opened([good, cut]), odd])
    with pytest.raises(OSError, match="truncated"):
        give([*opened([good, cut]), missing])
    with pytest.raises(FileNotFoundError, match="no/such.jpg"):
        give([*opened([good]), missing, *opened([cut])])
    with pytest.raises(ValueError, match="closed"):
        give([*opened([good]), closed])
    with pytest.raises(KeyError, match="mine"):
        give([*opened([good]), odd, *opened([cut])])
    assert len(give(opened([good, good]))) == 2


def test_truncated_pictures_that_pil_was_told_to_accept(starter, photos, cut, monkeypatch):
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    pixels = starter.pixels(opened([photos[0], cut]))
    assert np.array_equal(pixels, starter.pixels(decoded([photos[0], cut])))


def test_ctrl_c_while_they_are_decoded():
    prepare = """
        import diptych, PIL.Image
        model = diptych.load("starter")
        pictures = [PIL.Image.new("RGB", (16, 16)) for _ in range(50000)]
        model.embed(pictures[:2])
    """
    assert seconds_to_interrupt(prepare, "model.embed(pictures)") < 0.5
