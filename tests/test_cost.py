"""What a pipeline will cost: finite numbers that grow with steps and frames, on a timed device."""

import math

import pytest

from videolstm_jax import pipeline
from videolstm_jax.config import change
from videolstm_jax.presets import configured
from videolstm_jax.train import cost
from videolstm_jax.types import Dataset, Video

STAGES = ("fit_convnet", "extract", "train", "evaluate")
CFG = configured(
    "small",
    convnet__backbone="vgg",
    convnet__image_size=28,
    convnet__widths=(4, 6),
    convnet__depths=(1, 1),
    convnet__dense=(8,),
    convnet__batch=4,
    data__mirrored=False,
    model__hidden=6,
    model__attention=4,
    model__head=8,
    data__batch=4,
)


def dataset(copies=1, frames=31):
    parts = ("train", "test") * copies
    return Dataset(
        ("a", "b"),
        tuple(
            Video(f"a/{at}", "", 0, part, "", frames, 64, 64, 25.0) for at, part in enumerate(parts)
        ),
    )


@pytest.fixture(scope="module")
def pace():
    return cost.measure_pace(
        CFG, [CFG, change(CFG, name="twin"), change(CFG, model__cell="alstm")], dataset()
    )


def test_every_learning_stage_has_a_cost(pace):
    assert len(pace.cells) == 2  # runs of one model are timed once
    for stage in STAGES:
        result = cost.estimate_training_cost(stage, CFG, dataset(), pace)
        assert 0 < result.seconds < math.inf and 0 < result.disk < math.inf
    assert cost.estimate_training_cost("report", CFG, dataset(), pace) is None


@pytest.mark.parametrize(
    "stage, setting", [("fit_convnet", "convnet__steps"), ("train", "train__steps")]
)
def test_training_goes_by_steps(pace, stage, setting):
    one, three = (
        cost.estimate_training_cost(stage, change(CFG, **{setting: steps}), dataset(), pace)
        for steps in (100, 300)
    )
    assert three.seconds == pytest.approx(3 * one.seconds) and three.disk == one.disk
    assert cost.estimate_training_cost(
        stage, change(CFG, train__devices=4), dataset(9), pace
    ).seconds == pytest.approx(cost.estimate_training_cost(stage, CFG, dataset(), pace).seconds / 4)


@pytest.mark.parametrize("stage", ["extract", "evaluate"])
def test_passes_go_by_videos(pace, stage):
    one, three = (
        cost.estimate_training_cost(stage, CFG, dataset(copies), pace) for copies in (1, 3)
    )
    assert three.seconds == pytest.approx(3 * one.seconds) and three.disk == 3 * one.disk


def test_what_features_take_on_disk(pace):
    frame = 2 * (7 * 7 * 6 + 8) + 2 * 2  # pool5 and fc7 of two bytes a number, and logits
    assert cost.estimate_training_cost("extract", CFG, dataset(), pace).disk == 2 * 30 * frame
    assert (
        cost.estimate_training_cost("extract", change(CFG, flow__online=True), dataset(), pace).disk
        == 2 * 2 * 30 * frame
    )
    assert cost.estimate_training_cost(
        "extract", change(CFG, data__feature_dtype="uint8"), dataset(), pace
    ).disk == 2 * 30 * (7 * 7 * 6 + 8 + 4)


def test_mirrored_features_of_the_training_list_are_counted(pace):
    plain = cost.estimate_training_cost("extract", CFG, dataset(), pace)
    both = cost.estimate_training_cost("extract", change(CFG, data__mirrored=True), dataset(), pace)
    # One of the two videos is in the training list.
    assert both.disk == 1.5 * plain.disk and both.seconds == pytest.approx(1.5 * plain.seconds)


def test_equal_segments_cost_once(pace):
    long, short = (
        cost.estimate_training_cost("evaluate", CFG, dataset(frames=frames), pace)
        for frames in (101, 17)
    )
    clip = CFG.data.frames
    assert long.seconds / short.seconds == pytest.approx((25 * clip + 100) / (clip + 16))


def test_the_table_of_a_walk():
    cfg = change(CFG, data__mirrored=True)
    lines = pipeline.pipeline_cost(pipeline.plan(cfg), dataset()).splitlines()
    assert [line[2:26].strip() for line in lines[1:]] == [
        "prepare",
        "fit_convnet rgb",
        "extract rgb",
        "of it data.mirrored",
        "fit_convnet flow",
        "extract flow",
        "of it data.mirrored",
        "train videolstm-rgb",
        "evaluate videolstm-rgb",
        "train videolstm-flow",
        "evaluate videolstm-flow",
        "together",
    ]
    assert all(line.endswith(" MB") for line in lines[1:])
