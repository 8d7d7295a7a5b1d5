"""TrainedModel on stored features equals the model on features made ready by hand."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from training_workdir import config, write_work

from videolstm_jax import files
from videolstm_jax.clips import evaluation
from videolstm_jax.config import change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import FileError
from videolstm_jax.localize.inputs import localizer_input_of_features
from videolstm_jax.measure.scores import softmax, video_scores
from videolstm_jax.stages import train
from videolstm_jax.trained.functions import as_model_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.validation import VALID_SEGMENTS
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir


@pytest.fixture(scope="module")
def cfg(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "work"
    write_work(folder)
    cfg = change(
        config(folder, "videolstm"),
        train__steps=5,
        train__keep="best",
        data__validation=0.2,
        data__frames=5,
        eval__segments=4,
        eval__batch=3,
        eval__chunk=4,
    )
    train.run(cfg)
    return cfg


@pytest.fixture(scope="module")
def model(cfg):
    return TrainedModel.load(Workdir(cfg.workdir).run(cfg.run_name))


@pytest.fixture(scope="module")
def features(cfg, model):
    return model.open_features(Workdir(cfg.workdir))


def listed(cfg, part):
    return load_dataset(Workdir(cfg.workdir).dataset).part(part)


def by_hand(model):
    """The model on float32 features that are divided by their scales beforehand, compiled."""
    core = make_model(model.config)

    @jax.jit
    def apply(clip):
        inputs = as_model_inputs(clip.inputs, model.scales)
        return core.apply(model.params, clip._replace(inputs=inputs))

    return apply


def clip_of(features, video, frames=slice(None), dtype=np.float32):
    stores = (features.x, features.motion)
    inputs = Inputs(*(store.read(video.name)[None, frames].astype(dtype) for store in stores))
    return Clip(inputs, np.ones(inputs.x.shape[:2], bool))


def test_segment_scores_are_those_of_the_model_to_the_bit(cfg, model, features):
    videos, apply = listed(cfg, "test"), by_hand(model)
    rows = {}
    batches = evaluation.eval_segments(features.x, features.motion, videos, cfg.data, cfg.eval)
    for segments in batches:
        logits = np.asarray(apply(segments.batch.clip).logits)
        for row, video in enumerate(segments.video):
            if video >= 0:
                count = int(segments.count[row])
                rows.setdefault(int(video), []).append(
                    (logits[row], segments.batch.clip.mask[row], count)
                )
    scores = list(model.segments(features, videos, cfg.data, cfg.eval))
    assert len(scores) == len(videos) == len(rows)
    for index, row in enumerate(scores):
        logits, mask, counts = (np.array(column) for column in zip(*rows[index], strict=True))
        np.testing.assert_array_equal(row, video_scores(logits, mask, counts=counts))


def test_whole_videos_are_one_pass(cfg, model, features):
    apply = by_hand(model)
    videos = listed(cfg, "test")
    read = {whole.video.name: whole for whole in model.whole_videos(features, videos, cfg.eval)}
    assert read.keys() == {video.name for video in videos}
    for video in videos:
        clip, whole = clip_of(features, video), read[video.name]
        out = apply(clip)
        np.testing.assert_allclose(whole.scores, softmax(out.logits[0]), atol=2e-6)
        np.testing.assert_allclose(whole.attention, out.attention[0], atol=2e-6)
        np.testing.assert_array_equal(whole.features, localizer_input_of_features(clip.inputs.x[0]))
        assert {whole.scores.dtype, whole.attention.dtype} == {np.dtype(np.float32)}


def test_validation_and_evaluation_are_one_code_path(cfg, model, features):
    """The loss that training wrote down is that of the segments, to the bit."""
    metrics = Workdir(cfg.workdir).run(cfg.run_name) / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    (valid,) = [row for row in rows if "valid_loss" in row]
    videos = listed(cfg, "valid")
    settings = dataclasses.replace(cfg.eval, segments=VALID_SEGMENTS)
    loss = 0.0
    for video, scores in zip(
        videos, model.segments(features, videos, cfg.data, settings), strict=True
    ):
        loss -= float(np.log(scores[video.label]))
    assert valid["valid_loss"] == loss / len(videos)


def test_float16_is_read_as_float32_is(cfg, model, features):
    video = listed(cfg, "test")[0]
    single, half = (clip_of(features, video, dtype=kind) for kind in (np.float32, np.float16))
    np.testing.assert_array_equal(model.apply(single).logits, model.apply(half).logits)


def test_it_is_read_with_a_carry(cfg, model, features):
    video = listed(cfg, "test")[0]
    whole = model.apply(clip_of(features, video))
    first = model.apply(clip_of(features, video, slice(0, 4)))
    rest = model.apply(clip_of(features, video, slice(4, None)), first.carry)
    logits = np.concatenate([first.logits, rest.logits], axis=1)
    np.testing.assert_allclose(logits, whole.logits, atol=1e-5)


def test_dropout_needs_a_key(cfg, model, features):
    clip = clip_of(features, listed(cfg, "test")[0])
    dropped = model.apply(clip, dropout_key=jax.random.key(0)).logits
    np.testing.assert_array_equal(model.apply(clip).logits, model.apply(clip).logits)
    assert not np.array_equal(dropped, model.apply(clip).logits)


def test_other_parameters_compile_nothing_anew(model):
    doubled = jax.tree.map(lambda leaf: 2 * leaf, model.params)
    other = model.with_params(doubled)
    assert other.functions is model.functions and other.classes == model.classes
    assert TrainedModel.load(model.place.folder).functions is model.functions


def test_features_of_another_shape_are_refused(cfg, model):
    with pytest.raises(FileError, match="was trained on"):
        model.open_features(Workdir(cfg.workdir), stream="flow")


def test_features_of_another_convnet_are_refused(cfg, model):
    path = Workdir(cfg.workdir).features("flow", "pool5") / "index.json"
    index = files.read_json(path)
    files.write_json(path, index | {"about": index["about"] | {"sha256": "another"}})
    try:
        with pytest.raises(FileError, match="the backbone digest of these features is another"):
            model.open_features(Workdir(cfg.workdir))
    finally:
        files.write_json(path, index)


def test_scores_that_are_not_finite_name_their_video(cfg, model, features):
    broken = model.with_params(jax.tree.map(lambda leaf: leaf * np.nan, model.params))
    with pytest.raises(FileError, match="bend/p4: logits are not finite"):
        list(broken.segments(features, listed(cfg, "test"), cfg.data, cfg.eval))


def test_a_model_in_training_lies_nowhere(model):
    fresh = dataclasses.replace(model, stored_at=None)
    with pytest.raises(FileError, match="was not read from a run or a bundle"):
        fresh.backbone("rgb")
    with pytest.raises(FileError, match="was not read from a run or a bundle"):
        fresh.save("nowhere")


def test_a_folder_that_is_no_model(tmp_path, cfg):
    with pytest.raises(FileError, match="is missing; expected the folder of a run"):
        TrainedModel.load(tmp_path / "none")
    with pytest.raises(
        FileError, match="is a work folder; expected one of its runs: videolstm-rgb"
    ):
        TrainedModel.load(cfg.workdir)
