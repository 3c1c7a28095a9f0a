"""Bad input: an exception that says what was given and what is wanted, and no memory that stays behind."""

import gc
import os
import pathlib

import numpy as np
import PIL.Image
import pytest
from interpreter import run

import diptych
from diptych import CLIPModel, CLIPProcessor, SentenceTransformer, open_clip


class Closed:
    """A PIL picture whose file was closed before it was read."""

    def __new__(cls, path):
        image = PIL.Image.open(path)
        image.fp.close()
        return image


def truncated(cat, tmp_path):
    path = tmp_path / "truncated.png"
    path.write_bytes(pathlib.Path(cat).read_bytes()[:5000])
    return path


def bad_calls(model, cat, tmp_path):
    """(exception, a part of its sentence, call)"""
    side = model.image_size
    cut = truncated(cat, tmp_path)
    not_numbers = np.full((1, 3, side, side), np.nan, dtype=np.float32)
    return [
        (FileNotFoundError, "no/such.jpg", lambda: model.embed("no/such.jpg")),
        (FileNotFoundError, "no/such.jpg", lambda: model.embed([cat, "no/such.jpg"])),
        (ValueError, "truncated.png", lambda: model.classify(cut, ["a", "b"])),
        (OSError, "truncated", lambda: model.embed(PIL.Image.open(cut))),
        (OSError, "truncated", lambda: model.embed([PIL.Image.open(cat), PIL.Image.open(cut)])),
        (ValueError, "closed", lambda: model.embed(Closed(cat))),
        (ValueError, "closed", lambda: model.classify([Closed(cat), PIL.Image.open(cat)], ["a", "b"])),
        (ValueError, "bytes", lambda: model.embed(b"no picture")),
        (TypeError, "not int", lambda: model.embed(7)),
        (TypeError, "not int", lambda: model.embed([cat, 7])),
        (TypeError, "not dict", lambda: model.embed({"a": cat})),
        (TypeError, "either pictures or texts", lambda: model.embed()),
        (ValueError, "the list is empty", lambda: model.embed([])),
        (ValueError, "the list is empty", lambda: model.embed(texts=[])),
        (ValueError, "the list is empty", lambda: model.classify([], ["a"])),
        (ValueError, "the list is empty", lambda: model.classify(cat, [])),
        (TypeError, "not int", lambda: model.embed(texts=["a", 1])),
        (TypeError, "not bytes", lambda: model.embed(texts=b"a")),
        (TypeError, "not int", lambda: model.tokenize(5)),
        (TypeError, "not float", lambda: model.classify(cat, ["a", 0.5])),
        (TypeError, "not one str", lambda: model.classify(cat, "cat")),
        (ValueError, "not a finite number", lambda: model.embed(not_numbers)),
        (ValueError, "(1, 3, 5, 5)", lambda: model.embed(np.zeros((1, 3, 5, 5), np.float32))),
        (ValueError, "first dimension is 0", lambda: model.embed(np.zeros((0, 3, side, side), np.float32))),
        (TypeError, "float64", lambda: model.embed(np.zeros((8, 8, 3)))),
        (ValueError, "(2, 2, 7)", lambda: model.embed(np.zeros((2, 2, 7), np.uint8))),
        (ValueError, "(0, 4, 3)", lambda: model.embed(np.zeros((0, 4, 3), np.uint8))),
        (ValueError, "is no token", lambda: model.embed_ids(np.array([[1 << 30]], np.int32))),
        (ValueError, "is no token", lambda: model.embed_ids(np.array([[-1]], np.int32))),
        (ValueError, "tokens", lambda: model.embed_ids(np.zeros((1, 5000), np.int32))),
        (ValueError, "at least 1", lambda: model.classify(cat, ["a"], top=0)),
        (ValueError, "not from 0 to 1", lambda: model.classify(cat, ["a"], reject=2.0)),
        (TypeError, "top must be an int, not str", lambda: model.classify(cat, ["a"], top="5")),
        (TypeError, "has no option 'topp'", lambda: model.classify(cat, ["a"], topp=5)),
        (ValueError, "not one of openai|simple|none", lambda: model.classify(cat, ["a"], templates="x")),
        (ValueError, "{}", lambda: model.classify(cat, ["a"], template="no place")),
        (ValueError, "values", lambda: model.logits(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32))),
        (FileNotFoundError, "no-such-model", lambda: diptych.load("no-such-model")),
        (TypeError, "model must be a str", lambda: diptych.load(3)),
        (ValueError, "not one of fp32", lambda: diptych.load("starter", precision="fp3")),
    ]


def test_each_says_what_is_wrong(starter, cat, tmp_path):
    for exception, part, call in bad_calls(starter, cat, tmp_path):
        with pytest.raises(exception) as caught:
            call()
        assert part.lower() in str(caught.value).lower(), f"wanted {part!r} in {caught.value!r}"


def resident_kb():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4


def test_no_error_leaves_memory_behind(checkpoint, cat, tmp_path):
    """Each error 100 times, or as often as DIPTYCH_LEAK_RUNS says (10,000 before a release), of a tiny model.

    Those that read files or load models come a hundredth as often in the short run alone. What is left is of the
    allocator, not of a call.
    """
    model = diptych.load(checkpoint("hf_legacy_eos")[0])
    times = int(os.environ.get("DIPTYCH_LEAK_RUNS", "100"))
    slow = {"no-such-model", "truncated.png", "truncated", "closed", "{}"} if times <= 100 else set()

    def run(call, exception, times):
        for _ in range(times):
            try:
                call()
            except exception:
                pass
        gc.collect()

    def growth(call, exception, times):
        """KB. A leak grows in each of three rounds; a heap that malloc adds for a thread comes in one of them."""
        smallest = float("inf")
        for _ in range(3):
            before = resident_kb()
            run(call, exception, times)
            smallest = min(smallest, resident_kb() - before)
            if smallest < 200:
                break
        return smallest

    grown = []
    for exception, part, call in bad_calls(model, cat, tmp_path):
        often = max(1, times // 100) if part in slow else times
        run(call, exception, min(often, 200))  # allocators and their arenas for threads reach their sizes
        grown.append((growth(call, exception, often), part))
        print(f"{often} x {part!r}: {grown[-1][0]} KB", flush=True)
    assert sum(kb for kb, _ in grown) < 8000, sorted(grown)[-5:]


def test_a_model_that_is_freed_while_it_computes(cat):
    import threading

    model = diptych.load("starter", threads=1)
    errors = []

    def use(own):
        try:
            own.embed([cat] * 4)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=use, args=(model,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    del model
    for thread in threads:
        thread.join()
    assert not errors


def test_a_model_that_is_freed_while_an_interrupted_call_ends(cat):
    """The call goes on in the background for a batch; the last that Python knows of its model is gone by then."""
    assert "label cat" in run(f"""
        import gc, os, signal, threading, time, weakref, PIL.Image, diptych
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for pictures in ([{cat!r}] * 100000, [PIL.Image.new("RGB", (9, 9)) for _ in range(9999)]):
            model = diptych.load("starter")
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            try:
                model.embed(pictures)
            except KeyboardInterrupt:
                del model, pictures
            gc.collect()
        print("label", diptych.load("starter").classify({cat!r}, ["cat", "dog"]).label)
    """)


def test_no_memory_stays_behind_in_a_fork(cat):
    """The error that a fork gets, as often as the others."""
    times = int(os.environ.get("DIPTYCH_LEAK_RUNS", "100"))
    grown = int(run(f"""
        import os, diptych
        model = diptych.load("starter")
        model.embed({cat!r})
        def resident_kb():
            return int(open("/proc/self/statm").read().split()[1]) * 4
        def refused(times):
            for _ in range(times):
                try:
                    model.embed(texts="a cat")
                except RuntimeError as error:
                    assert "was forked" in str(error)
                else:
                    raise AssertionError("it computed")
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                refused(100)
                before = resident_kb()
                refused({times})
                os.write(write, str(resident_kb() - before).encode())
            finally:
                os._exit(0)
        os.wait()
        os.close(write)
        print(os.read(read, 100).decode())
    """))
    assert grown < 2000


def test_transformers_shape(checkpoint):
    folder, _ = checkpoint("hf_gelu")
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    with pytest.raises(ValueError, match="text, images or both"):
        processor()
    with pytest.raises(ValueError, match="is not one of 'pil' and 'torchvision'"):
        CLIPProcessor.from_pretrained(folder, backend="opencv")
    with pytest.raises(ValueError, match="return_tensors"):
        processor(text=["a"], return_tensors="tf")
    with pytest.raises(ValueError, match="needs input_ids and pixel_values"):
        model(input_ids=[[1]])
    with pytest.raises(ValueError, match="padded on the right"):
        model.get_text_features([[1, 2]], attention_mask=[[0, 1]])
    with pytest.raises(ValueError, match="not a finite number"):
        model(input_ids=[[1]], pixel_values=np.full((1, 3, 32, 32), np.nan, np.float32))
    with pytest.raises(ValueError, match="is empty"):
        processor(images=[])
    with pytest.raises(TypeError, match="not int"):
        processor(text=[1])


def test_open_clips_shape(cat):
    model, _, preprocess = open_clip.create_model_and_transforms("starter")
    side = model.visual.image_size[0]
    with pytest.raises(ValueError, match="not a finite number"):
        model.encode_image(np.full((1, 3, side, side), np.inf))
    with pytest.raises(ValueError, match=r"\(1, 3, 5, 5\)"):
        model.encode_image(np.zeros((1, 3, 5, 5), np.float32))
    with pytest.raises(ValueError, match="is empty"):
        model.encode_image([])
    with pytest.raises(ValueError, match="is no token"):
        model.encode_text(np.full((1, 77), -5))
    with pytest.raises(TypeError, match="not int"):
        open_clip.get_tokenizer("starter")([5])
    with pytest.raises(TypeError, match="not int"):
        preprocess(5)


def test_sentence_transformers_shape(cat):
    model = SentenceTransformer("starter")
    with pytest.raises(ValueError, match="the list is empty"):
        model.encode([])
    with pytest.raises(TypeError, match="not int"):
        model.encode([cat, 5])
    with pytest.raises(ValueError, match="closed"):
        model.encode([Closed(cat), PIL.Image.open(cat)])
