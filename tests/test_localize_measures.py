"""What `localize` measures beside its tubes: attention, baselines, and other inputs of boxes."""

import numpy as np
import pytest
from localize_workdir import (
    CELLS,
    FRAMES,
    attention_of,
    config,
    frame_scores,
    true_tube,
    write_work,
)

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.flow_images.flow_file import write_flow
from videolstm_jax.stages import localize


@pytest.fixture
def work(tmp_path):
    """Two training videos and four test videos of which three have truth."""
    return write_work(tmp_path)


def test_attention_over_time(work):
    value = files.read_json(localize.run(config(work)))["attention"]
    curves = value["over_time"]
    assert set(curves) == {"entropy", "peak", "drift", "mass_inside_truth", "area_of_truth"}
    assert all(len(curve) == FRAMES - 1 for curve in curves.values())
    assert curves["drift"][0] is None and curves["drift"][1:3] == [0, 0], (
        "the square stands still before it walks"
    )
    assert np.mean(curves["drift"][1:]) == pytest.approx(value["drift"])
    assert curves["mass_inside_truth"][:2] == [None, None], "frames without truth"
    assert np.mean(curves["mass_inside_truth"][2:]) == pytest.approx(value["mass_inside_truth"])


def test_baselines_stand_beside_the_model(work):
    value = files.read_json(localize.run(config(work)))
    baselines = value["baselines"]
    assert set(baselines) == {
        "full_frame",
        "centred",
        "mean_train_box",
        "uniform_attention",
        "ideal_attention",
        "perfect_box",
        "perfect_tube",
    }
    for row in baselines.values():
        difference = row["model_minus_baseline"]
        assert difference["value"] == pytest.approx(
            value["model"]["mean_frame_iou"]["value"] - row["mean_frame_iou"]["value"]
        )
        assert (
            difference["low"] <= difference["value"] + 1e-12
            and difference["value"] <= difference["high"] + 1e-12
        )
    area = 24 * 24 / (60 * 80)
    assert baselines["full_frame"]["mean_frame_iou"]["value"] == pytest.approx(area)
    assert baselines["uniform_attention"]["mean_frame_iou"]["value"] == pytest.approx(
        area, rel=1e-3
    )
    assert baselines["centred"]["fraction"] in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert (
        baselines["ideal_attention"]["mean_frame_iou"]["value"]
        > baselines["centred"]["mean_frame_iou"]["value"]
    )


@pytest.mark.slow
def test_flow_makes_another_baseline(work):
    """Flow that moves where the square is follows it; flow of some videos only is left out."""

    def write(name, label):
        images = np.full((FRAMES - 1, 30, 40, 2), 128, np.uint8)
        boxes = true_tube(label).boxes.round().astype(int)[[0, 0, *range(9)]]
        for image, (x0, y0, x1, y1) in zip(images, boxes // 2, strict=True):
            image[y0:y1, x0:x1] = 188
        write_flow(work.flow / f"{name}.zip", images, "png")

    write("Left/test0", 0)
    assert "flow_magnitude" not in files.read_json(localize.run(config(work)))["baselines"]
    write("Left/test2", 0)
    write("Right/test1", 1)
    baseline = files.read_json(localize.run(config(work)))["baselines"]["flow_magnitude"]
    assert baseline["mean_frame_iou"]["value"] > 0.5


def test_boxes_are_made_of_weighted_features_and_motion(work):
    """Uniform attention over features, or flow, that are large where the square is."""

    def write(name, label):
        where = attention_of(true_tube(label))
        files.write_arrays(
            work.evaluated_video("videolstm-rgb", name),
            scores=frame_scores(label),
            features=where,
            attention=np.full_like(where, 1 / CELLS**2),
        )
        images = np.full((FRAMES - 1, 30, 40, 2), 120, np.uint8)  # the camera moves
        for image, (x0, y0, x1, y1) in zip(
            images, true_tube(label).boxes.round().astype(int)[[0, 0, *range(9)]] // 2, strict=True
        ):
            image[y0:y1, x0:x1] = 188
        write_flow(work.flow / f"{name}.zip", images, "png")

    def iou(kind, box="region"):
        value = files.read_json(localize.run(config(work, localize__input=kind, localize__box=box)))
        assert value["settings"]["input"] == kind
        return value["model"]["mean_frame_iou"]["value"]

    names = {"Left/test0": 0, "Right/test1": 1, "Left/test2": 0, "Right/test3": 1}
    with pytest.raises(
        FileError,
        match=r"test0\.npz: localize.input 'weighted_features' needs the size of the features",
    ):
        localize.run(config(work, localize__input="weighted_features"))
    for name, label in names.items():
        write(name, label)
    assert (
        iou("attention") < 0.2
        and min(iou("weighted_features"), iou("motion"), iou("motion", "moments")) > 0.5
    )
    (work.flow / "Left/test2.zip").unlink()
    with pytest.raises(
        FileError, match=r"test2\.npz: localize.input 'motion' needs the flow images"
    ):
        localize.run(config(work, localize__input="motion"))


@pytest.mark.parametrize(
    "still", [np.full((FRAMES - 1, CELLS, CELLS), 1 / 49), np.eye(49)[[8] * 11].reshape(11, 7, 7)]
)
def test_attention_that_ignores_the_video_is_warned_of(work, still, capsys):
    for name in ("Left/test0", "Left/test2", "Right/test1", "Right/test3"):
        files.write_arrays(
            work.evaluated_video("videolstm-rgb", name), scores=frame_scores(0), attention=still
        )
    value = files.read_json(localize.run(config(work)))
    assert value["attention"]["warning"]
    assert "localize: warning: attention" in capsys.readouterr().out
