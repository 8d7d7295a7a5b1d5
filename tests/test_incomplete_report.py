"""The stage `report` where files are absent, damaged or of another test list."""

import re

import numpy as np
import pytest
from report_workdir import own_copy, page_config, page_text, shared_folder  # noqa: F401

from videolstm_jax import files
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.stages import report
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.scores_npz import load_scores, save_scores

pytestmark = pytest.mark.usefixtures("quick_pictures")


@pytest.mark.parametrize(
    ("absent", "expected_notice"),
    [
        (["dataset.json"], "the stage prepare writes it"),
        (["convnets"], "The stage fit_convnet writes them"),
        (["runs"], "The stages train and evaluate write them"),
        (["fused"], "The stage fuse multiplies"),
        (["truth.jsonl"], "prepare writes truth.jsonl"),
        (
            ["runs/videolstm-rgb/map.json", "runs/videolstm-flow/map.json"],
            "The stage localize makes them",
        ),
        (["runs/videolstm-rgb/tubes.jsonl", "runs/videolstm-flow/tubes.jsonl"], "has no boxes yet"),
        (["runs/videolstm-rgb", "runs/videolstm-flow"], "convlstm-rgb has no attention"),
    ],
)
def test_what_is_absent_is_left_out_with_a_sentence(work, absent, expected_notice):
    for name in absent:
        path = work.path / name
        path.rmtree() if path.is_dir() else path.unlink()
    assert expected_notice in page_text(report.run(page_config(work)))


def test_an_empty_folder_is_a_page_of_sentences(tmp_path):
    text = page_text(report.run(RunConfig(workdir=str(tmp_path / "nothing"))))
    assert "Nothing has been evaluated yet" in text
    assert all(
        stage in text
        for stage in ("prepare", "fit_convnet", "train", "evaluate", "fuse", "localize")
    )


def test_a_video_that_went_away_is_left_out(work):
    dataset = load_dataset(work.dataset)
    videos = tuple(
        video._replace(path=f"/nowhere/{video.name}.mp4") if video.label == 0 else video
        for video in dataset.videos
    )
    save_dataset(work.dataset, dataset._replace(videos=videos))
    assert re.search(
        r"c0/test_\d is left out", page_text(report.run(page_config(work, report__examples=1)))
    )


def test_scores_of_another_test_list_are_left_out_and_named(work):
    path = work.run("videolstm-flow") / "scores.npz"
    scores = load_scores(path)
    for wrong in (
        scores._replace(videos=("c0/other", *scores.videos[1:])),
        scores._replace(classes=tuple("abcd")),
        scores._replace(label=scores.label[::-1]),
    ):
        save_scores(path, wrong)
        text = page_text(report.run(page_config(work, report__examples=0)))
        notice = "videolstm-flow is left out: its scores are of other videos or classes"
        assert f"{notice} than the test list has" in text
        assert "with the predictions of videolstm-flow" not in text and not re.search(
            "videolstm-flow recurrent", text
        )


def test_a_pass_that_does_not_fit_is_named(work):
    for video in load_dataset(work.dataset).videos:
        if video.part == "test":
            files.write_arrays(
                work.evaluated_video("videolstm-rgb", video.name), scores=np.full((9, 4), 0.25)
            )
    with pytest.raises(
        FileError, match=r"runs/videolstm-rgb/videos/.*scores \(9, 4\).* for 12 frames"
    ):
        report.run(page_config(work, report__run="videolstm-rgb"))


def test_scores_without_settings_are_a_comparison(work):
    scores = load_scores(work.scores("convlstm-rgb"))
    save_scores(work.run("nearest") / "scores.npz", scores._replace(scores=np.eye(4)[scores.label]))
    text = page_text(report.run(page_config(work, report__examples=0)))
    assert "nearest comparison" in text and "12 of 12 test videos are named" not in text


def test_a_size_that_tells_the_class_is_a_notice(work):
    scores = load_scores(work.scores("convlstm-rgb"))
    path = work.run("nearest-size") / "scores.npz"
    save_scores(path, scores._replace(scores=np.eye(4)[scores.label]))
    text = page_text(report.run(page_config(work, report__examples=0)))
    assert "nearest-size: the width, height and number of frames of the videos tell" in text
    save_scores(path, scores._replace(scores=np.eye(4)[(scores.label + 1) % 4]))
    text = page_text(report.run(page_config(work, report__examples=0)))
    assert "the width, height and number of frames of the videos tell" not in text


def test_damaged_scores_are_named(work):
    (work.run("videolstm-rgb") / "scores.npz").write_bytes(b"not an archive")
    with pytest.raises(FileError, match=r"scores\.npz"):
        report.run(page_config(work))
