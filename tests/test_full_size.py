"""The benchmark of the stages on small clips, and the page of costs that is made of its results."""

import json
import pathlib

import pytest
from prepared_workdir import config
from small_films import smooth

from benchmarks import costs, full_size
from videolstm_jax.config import change
from videolstm_jax.video import encode

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The stages' figures for two clips of each set, with a small backbone."""
    # The sets lie outside of the folder that the program writes, as in its `main`.
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("full")
    for number, name in enumerate(full_size.SETS):
        for k in range(3):
            encode.write_video(
                data / name / f"{name}{k}.avi",
                smooth(4 + k, 24, 32 + 2 * number),
                codec="mpeg4",
            )
    full_size.copy_clips(data, folder, 2)
    cfg = config(
        folder / "work",
        "rgb",
        data__videos=str(folder),
        data__max_frames=5,
        convnet__steps=1,
        convnet__learning_rate=0.0,
        flow__width=24,
        flow__height=16,
    )
    return full_size.time_stages(cfg, online=True)


@pytest.mark.slow
def test_every_stage_counts_its_frames(measured):
    assert list(measured["stages"]) == list(costs.TITLES) and measured["bad"] == 0
    for row in measured["stages"].values():
        assert row["frames"] == 3 * (3 + 4) and row["seconds"] > 0 and row["frames_per_second"] > 0
    assert measured["stages"]["extract online"]["same_bytes_as_two_steps"] is True
    assert (
        measured["bytes_per_frame"]["fc7"] >= 2 * 10 and measured["bytes_per_frame"]["flow"] > 100
    )


RESULT = {
    "device": "a machine",
    "backend": "cpu",
    "jax": "0.10",
    "workers": 2,
    "clips": 46,
    "max_frames": 64,
    "sizes": ["320x240", "1280x720", "64x48"],
    "stages": {
        name: {"frames": 2898, "seconds": 289.8, "frames_per_second": 10.0} for name in costs.TITLES
    },
    "bytes_per_frame": {"flow": 10_000.0, "pool5": 50_176.0, "fc7": 8_192.0, "logits": 202.0},
    "training": {
        "vgg16": {"batch": 16, "seconds_a_step": 3.2, "seconds_a_frame": 0.2},
        "videolstm": {"batch": 4, "frames": 10, "seconds_a_step": 4.0, "seconds_a_frame": 0.1},
    },
}


def test_the_page_multiplies_what_was_measured():
    page = costs.page([RESULT, RESULT | {"device": "another"}])
    frames = 2_500_000 - 13_320
    assert "from 64x48 to 1280x720 pixels" in page and page.count("## Time on ") == 2
    assert f"| pool5 of one stream, float16 | 50,176 | {50_176 * frames / 1e9:.1f} GB |" in page
    assert f"| 10.0 | {frames / 10 / 3600:.1f} h |" in page  # a tenth of a second a frame
    assert f"| 5.0 | {20_000 * 64 * 0.2 / 3600:.1f} h |" in page
    assert f"| 10.0 | {20_000 * 128 * 30 * 0.1 / 86400:.1f} days |" in page
    with pytest.raises(ValueError, match=r"run python -m benchmarks\.full_size"):
        costs.page([])


def test_the_page_in_docs_is_of_the_results_that_are_kept():
    results = costs.read_results(ROOT / "benchmarks" / "results")
    text = (ROOT / "docs" / "costs.md").read_text()
    assert text == (costs.page(results).rstrip() + "\n" if results else costs.EMPTY)


@pytest.mark.slow
def test_training_steps_are_timed(tmp_path):
    cfg = change(config(tmp_path, "rgb"))
    figures = full_size.time_training(cfg, images=2, clips=1, frames=2, steps=1)
    assert json.loads(json.dumps(figures)) == figures
    assert figures["videolstm"]["seconds_a_frame"] == pytest.approx(
        figures["videolstm"]["seconds_a_step"] / 2, abs=1e-3
    )
