"""The stage objects: means of ImageNet probabilities, kept and not made again, and their scores."""

import numpy as np
import pytest
from PIL import Image
from textured_workdir import config, write_textured

from videolstm_jax.nn.imagenet_classes import imagenet_classifier
from videolstm_jax.stages import objects
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores

pytest.importorskip("sklearn", reason="needs scikit-learn")


def brightness_classifier(counts):
    """A classifier that tells bright frames from dark ones, and counts the frames."""

    def classify(frames):
        counts.append(len(frames))
        bright = frames.mean((1, 2, 3)) / 255
        return np.stack([bright, 1 - bright], 1).astype(np.float32)

    return classify


@pytest.fixture
def counts(monkeypatch):
    counts = []
    monkeypatch.setattr(
        objects, "imagenet_classifier", lambda side, batch: brightness_classifier(counts)
    )
    return counts


def test_means_are_kept_and_scored(tmp_path, counts, capsys):
    work = write_textured(tmp_path)
    cfg = config(work)
    path = objects.run(cfg)
    assert path == work.run("objects") / "scores.npz" and counts == [18] * 10
    scores = load_scores(path)
    assert scores.videos == ("Across/g3", "Across/g4", "Down/g3", "Down/g4")
    np.testing.assert_allclose(scores.scores.sum(1), 1, rtol=1e-5)
    assert load_scores(work.validation_scores("objects")).part == "valid"
    assert "of 4 test videos right" in capsys.readouterr().out
    before = path.read_bytes()
    objects.run(cfg)
    assert len(counts) == 10 and path.read_bytes() == before
    # Another stride is another mean.
    objects.run(config(work, objects__stride=5))
    assert counts[10:] == [4] * 10
    name = load_dataset(work.dataset).videos[0].name
    with np.load(work.run("objects") / "means" / f"{name}.npz") as stored:
        assert stored["mean"].shape == (2,)
        np.testing.assert_allclose(stored["mean"].sum(), 1, rtol=1e-6)


def test_the_network_knows_a_cat_and_a_cup_of_coffee():
    data = pytest.importorskip("skimage.data", reason="needs the photographs of scikit-image")
    frames = []
    for photograph in (data.chelsea(), data.coffee()):
        side = min(photograph.shape[:2])
        left = (photograph.shape[1] - side) // 2
        square = Image.fromarray(photograph[:side, left : left + side])
        frames.append(np.asarray(square.resize((96, 96), Image.Resampling.BOX)))
    # Batches of one, so that the last one is a second one.
    probabilities = imagenet_classifier(96, 1)(np.stack(frames))
    assert probabilities.shape == (2, 1000)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    # ImageNet's five kinds of cats; coffee mug, teapot, espresso and cup.
    assert 281 <= probabilities[0].argmax() <= 285
    assert probabilities[1].argmax() in (504, 849, 967, 968)
