"""The stage: from a work folder, whole or in part, to one page."""

import re
import shutil
from html import escape

import numpy as np
import pytest
import report_workdir
from report_workdir import own_copy, page_config, page_text, shared_folder  # noqa: F401

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.stages import localize, report
from videolstm_jax.video import decode
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.scores_npz import load_scores, save_scores

pytestmark = pytest.mark.usefixtures("quick_pictures")


@pytest.fixture(scope="module")
def page(work_folder):
    return report.run(change(RunConfig(workdir=work_folder.root), report__examples=5))


def test_the_page_says_the_exact_counts(work_folder, page):
    text = page_text(page)
    for name in ("convnet-rgb", "videolstm-rgb", "convlstm-rgb", "videolstm-rgb+videolstm-flow"):
        scores = load_scores(work_folder.scores(name))
        right = int((scores.scores.argmax(1) == scores.label).sum())
        assert re.search(rf"{re.escape(name)} \w+ [^/]*? {right} / {len(scores.label)} ", text), (
            name
        )
    assert "4 classes 20 videos" not in text and re.search(
        r"classes 4 videos 20 groups 3 to train on 8 to test on 12", text
    )


def test_the_headline_compares_with_the_commonest_class(work):
    """Of uneven test videos: one class has three of nine, another has none."""
    keep_lists_without_class(work, 1)
    scores = load_scores(work.scores("videolstm-rgb+videolstm-flow"))
    right = scores.scores.argmax(1) == scores.label
    of_class = [right[scores.label == label].mean() for label in np.unique(scores.label)]
    text = page_text(report.run(page_config(work)))
    headline = (
        f"{right.sum()} of 9 test videos are named correctly; mean class accuracy "
        f"{100 * np.mean(of_class):.1f} %; always answering Left: 3 of 9"
    )
    assert headline in text
    assert "Always answering Left, the commonest class of the training list, gives 33.3 %." in text


def keep_lists_without_class(work, label):
    """Takes the test videos of a class out of the lists and out of all scores."""
    dataset = load_dataset(work.dataset)
    videos = [v for v in dataset.videos if v.part == "train" or v.label != label]
    save_dataset(work.dataset, dataset._replace(videos=tuple(videos)))
    for pattern in ("runs/*/scores.npz", "convnets/*/scores.npz", "fused/*.npz"):
        for path in work.path.glob(pattern):
            scores = load_scores(path)
            rows = np.flatnonzero(scores.label != label)
            remaining = scores._replace(
                videos=tuple(scores.videos[row] for row in rows),
                scores=scores.scores[rows],
                label=scores.label[rows],
            )
            save_scores(path, remaining)


def test_a_diverged_training_is_named_on_the_page(work):
    folders = {"videolstm-flow": work.run("videolstm-flow"), "convnet-rgb": work.convnet("rgb")}
    for folder in folders.values():
        settings = files.read_json(folder / "config.json")
        settings["warnings"] = ["the training has diverged: the last loss is 1e+32"]
        files.write_json(folder / "config.json", settings)
    text = page_text(report.run(page_config(work)))
    for name in folders:
        assert f"{name}: the training has diverged: the last loss is 1e+32." in text


def test_two_answers_are_on_the_page_with_their_rules(work):
    """The segments of every test video give another class than the pass over the whole video."""
    path = work.scores("videolstm-rgb")
    scores = load_scores(path)
    of_pass = scores.scores.argmax(1)
    save_scores(path, scores._replace(scores=np.roll(scores.scores, 1, axis=1)))
    html = report.run(page_config(work)).read_text()
    (video,) = re.findall(r"videos/(c\d-test_\d)\.mp4", html)[:1]
    answer = report_workdir.CLASSES[of_pass[scores.videos.index(video.replace("-", "/"))]]
    text = re.sub(r"\s+", " ", html)
    assert "In one pass of the whole video" in text
    assert f"{escape(answer)}, mean score " in text
    assert "the prediction above is the mean over segments, as in the results" in text
    assert "in one pass)" in text  # the legend of the plot


def test_the_page_holds_everything_itself(page):
    html = page.read_text()
    fetched = re.findall(r'(?:src|srcset|poster|data)="(?!data:image/)([^"]*)"', html)
    assert fetched == [] and html.count("data:image/avif") == 15
    assert "http" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", html)
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html


def test_every_class_is_shown_and_each_has_a_film(work_folder, page):
    films = sorted((work_folder.report / "videos").glob("*.mp4"))
    assert len(films) == 5 and {film.name.split("-")[0] for film in films} == {
        "c0",
        "c1",
        "c2",
        "c3",
    }
    frames = decode.read_video(films[0])
    assert len(frames) == report_workdir.FRAMES and frames.shape[2] == 2 * 384 + 4
    lit = [(frame[-90:, 330:].max(-1) > 150).sum() for frame in (frames[1], frames[-1])]
    assert lit[1] > lit[0] + 200, "the lines of the timeline grow"


def test_the_measures_of_map_json_are_told(work_folder, page):
    measures = files.read_json(work_folder.run("videolstm-rgb") / "map.json")
    text = page_text(page)
    model = measures["model"]
    assert (
        f" {model['video_map']['voc']['0.2']:.3f} " in text
        and f" {model['mean_frame_iou']['value']:.3f} " in text
    )
    assert f"{100 * measures['attention']['mass_inside_truth']:.1f} %" in text
    assert "mean training box" in text and "ideal attention" in text


@pytest.mark.slow
def test_the_same_walk_gives_the_same_bytes(work):
    assert report.run(page_config(work, report__examples=2)).exists(), (
        "an earlier page, whose films must not stay"
    )
    first = report.run(page_config(work)).read_bytes()
    films = {film.name: film.read_bytes() for film in (work.report / "videos").glob("*.mp4")}
    shutil.rmtree(work.report)
    assert report.run(page_config(work)).read_bytes() == first
    assert {
        film.name: film.read_bytes() for film in (work.report / "videos").glob("*.mp4")
    } == films
    assert len(films) == 1


@pytest.mark.slow
def test_every_tube_of_the_best_class_counts(work):
    # Not every video has more than one tube.
    every_example = page_config(work, report__run="videolstm-rgb", report__examples=12)
    localize.run(
        change(
            RunConfig(workdir=work.root),
            localize__theta=230.0,
            localize__tubes=0,
            localize__sigma=0.0,
        )
    )
    text = page_text(report.run(every_example))
    assert "Mean frame IoU, best tube" in text
    localize.run(RunConfig(workdir=work.root))
    text = page_text(report.run(every_example))
    assert "Mean frame IoU, best tube" not in text and "Mean frame IoU" in text


def test_the_run_that_is_shown_can_be_named(work):
    assert "with the predictions of videolstm-flow" in page_text(
        report.run(page_config(work, report__run="videolstm-flow"))
    )
    with pytest.raises(ConfigError, match=r"report.run is 'nobody'.*videolstm-rgb"):
        report.run(page_config(work, report__run="nobody"))


def test_the_state_and_the_attention_over_time_are_shown(work):
    assert "of the model on the frames" not in page_text(report.run(page_config(work)))
    for video in load_dataset(work.dataset).videos:
        maps = (
            np.random.default_rng(0)
            .normal(size=(2, report_workdir.FRAMES - 1, 7, 7))
            .astype(np.float16)
        )
        files.write_arrays(
            work.states("videolstm-rgb", video.name),
            kind=np.array("cell"),
            mean=abs(maps[0]),
            channel=np.array([3, 5], np.int32),
            maps=maps,
        )
    text = page_text(report.run(page_config(work, report__run="videolstm-rgb")))
    assert text.count("Cell state of the model on the frames of the strip") == 1
    assert text.count("Attention over time") >= 1 and text.count("in the true box") >= 1
    assert "Entropy of the attention, frame by frame" in text
