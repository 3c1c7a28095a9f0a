"""The examples of open_clip's and sentence-transformers' documents, their imports changed."""

import importlib.util

import numpy as np
import PIL.Image
import pytest
from made_checkpoint import uniform

from diptych import SentenceTransformer, open_clip, util

HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
def test_the_example_of_the_readme(root):
    import torch
    from PIL import Image

    model, _, preprocess = open_clip.create_model_and_transforms("starter")
    model.eval()  # model in train mode by default, impacts some models with BatchNorm or stochastic depth active
    tokenizer = open_clip.get_tokenizer("starter")

    image = preprocess(Image.open(root / "examples/cat.png")).unsqueeze(0)
    text = tokenizer(["a diagram", "a dog", "a cat"])

    with torch.no_grad():
        image_features = model.encode_image(image)
        text_features = model.encode_text(text)
        image_features /= image_features.norm(dim=-1, keepdim=True)
        text_features /= text_features.norm(dim=-1, keepdim=True)

        text_probs = (100.0 * image_features @ text_features.T).softmax(dim=-1)

    assert isinstance(text_probs, torch.Tensor) and text_probs.argmax().item() == 2


def test_the_example_without_torch(root, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    model, preprocess = open_clip.create_model_from_pretrained("starter")
    image = preprocess(PIL.Image.open(root / "examples/cat.png")).unsqueeze(0)
    text = open_clip.get_tokenizer("starter")(["a diagram", "a dog", "a cat"])
    image_features, text_features = model.encode_image(image), model.encode_text(text)
    image_features /= image_features.norm(dim=-1, keepdim=True)
    text_features /= text_features.norm(dim=-1, keepdim=True)
    text_probs = (100.0 * image_features @ text_features.T).softmax(dim=-1)
    assert text_probs.shape == (1, 3) and text_probs.argmax() == 2
    assert text_probs.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("case", ["openclip_b_gelu", "openclip_resnet", "openclip_custom_text"])
def test_outputs_equal_the_reference(checkpoint, case):
    folder, golden = checkpoint(case)
    model, _, _ = open_clip.create_model_and_transforms("local-dir:" + folder)
    side = model.visual.image_size[0]
    pixels = 2 * np.array(uniform("pixels", 2 * 3 * side * side)).reshape(2, 3, side, side)
    tokens = open_clip.get_tokenizer("local-dir:" + folder)(golden["texts"])
    assert tokens.shape == (len(golden["texts"]), model.context_length)
    assert str(tokens.dtype).endswith("int64")
    images, texts, scale = model(pixels.astype(np.float32), tokens)
    logits = scale * images @ texts.T + (0 if model.logit_bias is None else model.logit_bias)
    wanted = np.array(golden["logits_per_image"])
    assert np.abs(np.asarray(logits) - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_pictures_as_they_are(starter, photos):
    model = open_clip.CLIP(starter)
    rows = np.asarray(model.encode_image([PIL.Image.open(path) for path in photos], normalize=True))
    assert np.abs(rows - starter.embed(photos)).max() < 1e-5


def test_tokenizers():
    tokens = np.asarray(open_clip.get_tokenizer("ViT-B-32")(["a diagram", "a dog " * 100]))
    assert tokens.shape == (2, 77)
    assert tokens[0, :4].tolist() == [49406, 320, 22697, 49407] and tokens[0, 4:].sum() == 0
    assert tokens[1, -1] == 49407
    assert np.asarray(open_clip.get_tokenizer("ViT-B-32-quickgelu")("a dog", context_length=16)).shape == (1, 16)
    with pytest.raises(FileNotFoundError, match="no-such-architecture"):
        open_clip.get_tokenizer("no-such-architecture")


def test_names():
    with pytest.raises(FileNotFoundError, match="ViT-B-32:no_such_tag"):
        open_clip.create_model("ViT-B/32", pretrained="no_such_tag")
    with pytest.raises(ValueError, match="name the weights with pretrained="):
        open_clip.create_model("ViT-B-32")
    with pytest.raises(ValueError, match="CPU alone"):
        open_clip.create_model("starter", device="cuda:0")


def test_the_example_of_sentence_transformers(root, photos):
    model = SentenceTransformer("starter")

    # Encode an image:
    img_emb = model.encode(PIL.Image.open(root / "examples/cat.png"))

    # Encode text descriptions
    text_emb = model.encode(["A sleeping cat", "A cup of coffee", "A picture of London at night"])

    # Compute cosine similarities
    cos_scores = util.cos_sim(img_emb, text_emb)
    assert cos_scores.shape == (1, 3) and int(cos_scores[0].argmax()) == 0

    mixed = model.encode([PIL.Image.open(photos[1]), "A cup of coffee"], normalize_embeddings=True)
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(mixed[1] - text_emb[1] / np.linalg.norm(text_emb[1])).max() < 1e-5
    assert np.asarray(model.similarity(mixed, mixed))[0, 0] == pytest.approx(1, abs=1e-5)
    assert model.encode("A cup of coffee").shape == (model.get_sentence_embedding_dimension(),)
