"""The example of transformers' documentation, its import changed, against the golden values of transformers."""

import importlib.util
import math
import sys

import numpy as np
import PIL.Image
import pytest
from made_checkpoint import uniform

from diptych import AutoModel, AutoProcessor, CLIPModel, CLIPProcessor

CASES = ["hf_gelu", "hf_legacy_eos"]
HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TRANSFORMERS = HAS_TORCH and importlib.util.find_spec("transformers") is not None


@pytest.mark.parametrize("case", CASES)
def test_the_example(checkpoint, cat, case):
    folder, golden = checkpoint(case)
    model = CLIPModel.from_pretrained(folder)
    processor = CLIPProcessor.from_pretrained(folder, backend="pil")  # whose golden values these are
    image = PIL.Image.open(cat)

    inputs = processor(text=["a photo of a cat", "a photo of a dog"], images=image, return_tensors="pt", padding=True)

    outputs = model(**inputs)
    logits_per_image = outputs.logits_per_image  # this is the image-text similarity score
    probs = logits_per_image.softmax(dim=1)  # we can take the softmax to get the label probabilities

    assert probs.detach().cpu().numpy()[0] == pytest.approx(golden["cat_probabilities"], abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_outputs_equal_the_reference(checkpoint, case):
    folder, golden = checkpoint(case)
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    side = model.model.image_size
    pixels = 2 * np.array(uniform("pixels", 2 * 3 * side * side)).reshape(2, 3, side, side)
    texts = processor(text=golden["texts"], padding=True, truncation=True, return_tensors="np")
    for row, mask, ids in zip(texts.input_ids, texts.attention_mask, golden["ids"]):
        assert row[: mask.sum()].tolist() == ids
    assert texts.input_ids.dtype == texts.attention_mask.dtype == np.int64
    outputs = model(**texts, pixel_values=pixels.astype(np.float32))
    wanted = np.array(golden["logits_per_image"])
    assert np.abs(outputs.logits_per_image - wanted).max() < 1e-3 * np.abs(wanted).max()
    assert np.array_equal(outputs.logits_per_text, outputs.logits_per_image.T)
    # The golden embeddings are of length 1.
    assert np.abs(outputs.image_embeds - golden["image_embeddings"]).max() < 1e-4
    assert np.abs(outputs.text_embeds - golden["text_embeddings"]).max() < 1e-4
    assert outputs[0] is outputs["logits_per_image"] and outputs.loss is None and len(outputs.to_tuple()) == 4
    features = model.get_image_features(pixels.astype(np.float32))
    assert np.linalg.norm(features, axis=1) != pytest.approx(1, abs=1e-2)
    assert np.array_equal(features.pooler_output, features)
    assert math.exp(model.logit_scale) == pytest.approx(math.exp(3), rel=1e-3)


def test_forms_of_texts(checkpoint):
    processor = CLIPProcessor.from_pretrained(checkpoint("hf_gelu")[0])
    both = processor(text=["x", "a photo of a cat"])
    assert isinstance(both.input_ids, list) and len(both.input_ids[0]) == 3
    assert processor(text="x").input_ids == both.input_ids[0]
    wide = processor(text=["x"], padding="max_length", return_tensors="np")
    assert wide.input_ids.shape == (1, 32) and wide.attention_mask.sum() == 3
    with pytest.raises(ValueError, match="padding=True"):
        processor(text=["x", "a photo of a cat"], return_tensors="np")
    long = processor(text=["x " * 100], return_tensors="np")
    assert long.input_ids.shape == (1, 102)
    assert processor(text=["x " * 100], truncation=True, return_tensors="np").input_ids.shape == (1, 32)
    model = CLIPModel.from_pretrained(checkpoint("hf_gelu")[0])
    with pytest.raises(ValueError, match="102 tokens; this text tower takes 1 to 32"):
        model.get_text_features(long.input_ids)


def test_forms_of_pictures(checkpoint, cat):
    processor = CLIPProcessor.from_pretrained(checkpoint("hf_gelu")[0])
    image = PIL.Image.open(cat).convert("RGB")
    hwc = np.asarray(image)
    forms = [image, hwc, hwc.transpose(2, 0, 1), cat, open(cat, "rb").read()]
    pixels = processor(images=forms, return_tensors="np").pixel_values
    assert pixels.shape == (5, 3, 32, 32) and pixels.dtype == np.float32
    assert all(np.array_equal(p, pixels[0]) for p in pixels)
    ready = processor(images=list(pixels), return_tensors="np").pixel_values
    assert np.array_equal(ready, pixels)
    with pytest.raises(ValueError, match="normalised"):
        processor(images=hwc.astype(np.float32), return_tensors="np")


def test_without_torch_the_arrays_answer(checkpoint, cat, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    folder, golden = checkpoint("hf_gelu")
    processor = CLIPProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(text=["a photo of a cat", "a photo of a dog"], images=cat, return_tensors="pt", padding=True)
    probs = CLIPModel.from_pretrained(folder)(**inputs.to("cpu")).logits_per_image.softmax(dim=1)
    assert probs.detach().cpu().numpy()[0] == pytest.approx(golden["cat_probabilities"], abs=1e-4)
    with pytest.raises(ValueError, match="CPU alone"):
        inputs.to("cuda")


@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
def test_torch_tensors_share_memory(checkpoint, cat):
    import torch

    folder, _ = checkpoint("hf_gelu")
    inputs = CLIPProcessor.from_pretrained(folder)(images=cat, return_tensors="pt")
    assert isinstance(inputs.pixel_values, torch.Tensor)
    features = CLIPModel.from_pretrained(folder).get_image_features(**inputs)
    assert isinstance(features, torch.Tensor) and features.pooler_output is features


@pytest.mark.skipif(not HAS_TRANSFORMERS, reason="transformers is not installed")
@pytest.mark.parametrize("case", CASES)
def test_against_transformers_itself(checkpoint, photos, case):
    import transformers

    folder, _ = checkpoint(case)
    reference = transformers.CLIPModel.from_pretrained(folder, dtype="float32").eval()
    images = [PIL.Image.open(path) for path in photos]
    texts = ["a photo of a cat", "a cup", "a rocket, 42 birds"]
    assert CLIPProcessor.from_pretrained(folder).image_processor.backend == "torchvision"
    for backend in ("pil", "torchvision"):
        theirs = transformers.CLIPProcessor.from_pretrained(folder, backend=backend)
        ours = CLIPProcessor.from_pretrained(folder, backend=backend)
        wanted = theirs(text=texts, images=images, return_tensors="pt", padding=True)
        found = ours(text=texts, images=images, return_tensors="pt", padding=True)
        assert list(wanted) == list(found)
        for key in wanted:
            assert wanted[key].dtype == found[key].dtype
            assert wanted[key].equal(found[key]), (backend, key, (wanted[key] - found[key]).abs().max())
        probabilities = reference(**wanted).logits_per_image.softmax(dim=1)
        mine = CLIPModel.from_pretrained(folder)(**found).logits_per_image.softmax(dim=1)
        assert (probabilities - mine).abs().max() < 1e-4
