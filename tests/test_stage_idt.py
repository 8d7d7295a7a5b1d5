"""The command idt on videos of two motions: trajectories, resume, shards, scores, and refusals."""

import numpy as np
import pytest
from moving_textures import FRAMES
from textured_workdir import CLASSES, config, known_flow, write_textured

from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.features.shards import Shard
from videolstm_jax.flow_images import flow_methods
from videolstm_jax.shallow import scikit_learn
from videolstm_jax.stages import fuse, idt, trajectories
from videolstm_jax.trajectories.layout import trajectory_rows
from videolstm_jax.trajectories.reader import read_trajectories
from videolstm_jax.trajectories.writer import trajectory_note, write_trajectories
from videolstm_jax.video import encode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores

pytest.importorskip("sklearn", reason="needs scikit-learn")


@pytest.fixture(autouse=True)
def fast_flow(monkeypatch):
    monkeypatch.setitem(flow_methods.METHODS, "tvl1", known_flow)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    work = write_textured(tmp_path_factory.mktemp("idt"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(flow_methods.METHODS, "tvl1", known_flow)
        trajectories.run(config(work))
    return work


def test_trajectories_of_every_video(work):
    for video in load_dataset(work.dataset).videos:
        path = work.trajectories / f"{video.name}.bin.gz"
        rows = read_trajectories(path)
        assert len(rows.hof) > 20
        steps = rows.displacements.reshape(-1, 15, 2).sum((0, 1))
        assert (steps[0] > steps[1]) == (video.label == CLASSES.index("Across"))
        assert trajectory_note(path).endswith(" bytes")


def test_what_is_there_is_not_computed_again(work, monkeypatch, capsys):
    def forbidden(frames, next_frames):
        raise AssertionError("flow was computed")

    monkeypatch.setitem(flow_methods.METHODS, "tvl1", forbidden)
    trajectories.run(config(work))
    assert not capsys.readouterr().out


def test_two_workers_write_what_one_writes(tmp_path, work, capsys):
    other = write_textured(tmp_path)
    for number in (2, 1):
        trajectories.run(config(other), shard=Shard(number, 2))
    assert "of 5 videos, 90 frames" in capsys.readouterr().out
    for path in work.trajectories.glob("*/*.gz"):
        copy = other.trajectories / path.parent.name / path.name
        assert copy.read_bytes() == path.read_bytes()


def test_a_shard_removes_what_a_killed_one_left_of_its_files_and_the_settings(work):
    token = "part-0123456789abcdef"
    first, second = (video.name for video in load_dataset(work.dataset).videos[:2])
    left = []
    for name in (first, second):
        target = work.trajectories / f"{name}.bin.gz"
        left.append(target.parent / f".{target.name}.{token}")
    left.append(work.trajectories / f".settings.json.{token}")
    for path in left:
        path.write_bytes(b"half")
    trajectories.run(config(work), shard=Shard(1, 2))
    # The second video is of the other shard.
    assert [path.exists() for path in left] == [False, True, False]
    trajectories.run(config(work))
    assert not left[1].exists() and not list(work.trajectories.glob(".*"))


def test_a_limit_stores_a_sample(tmp_path, work):
    other = write_textured(tmp_path)
    trajectories.run(config(other, idt__limit=7))
    name = load_dataset(other.dataset).videos[0].name
    sample = read_trajectories(other.trajectories / f"{name}.bin.gz")
    rows = trajectory_rows(read_trajectories(work.trajectories / f"{name}.bin.gz")).tolist()
    places = [rows.index(row) for row in trajectory_rows(sample).tolist()]
    assert len(places) == 7 and places == sorted(places)


def test_other_settings_are_refused(work):
    with pytest.raises(FileError, match=r"settings\.json: .* made with length 15; this run has 9"):
        trajectories.run(config(work, idt__length=9))


def test_a_replaced_video_is_refused_until_it_is_prepared(tmp_path):
    work = write_textured(tmp_path)
    video = load_dataset(work.dataset).videos[0]
    encode.write_video(video.path, np.zeros((FRAMES, 48, 48, 3), np.uint8))
    with pytest.raises(VideoError, match="as when the stage prepare read it"):
        trajectories.run(config(work))


# ---- scores --------------------------------------------------------------------------------------


def test_scores_tell_the_motions_apart_and_fuse(work, capsys):
    cfg = config(work)
    path = idt.run(cfg)
    scores = load_scores(path)
    assert path == work.run("idt") / "scores.npz"
    assert scores.videos == ("Across/g3", "Across/g4", "Down/g3", "Down/g4")
    assert scores.classes == CLASSES
    assert scores.scores.argmax(1).tolist() == scores.label.tolist() == [0, 0, 1, 1]
    valid = load_scores(work.validation_scores("idt"))
    assert valid.part == "valid" and valid.videos == ("Across/g2", "Down/g2")
    assert "idt: 4 of 4 test videos right" in capsys.readouterr().out
    # The same vectors are read back the second time, and give the same scores.
    before = path.read_bytes()
    vector = next(iter(work.run("idt").glob("fisher/*/*.npz")))
    stamp = vector.stat().mtime
    idt.run(cfg)
    assert path.read_bytes() == before and vector.stat().mtime == stamp
    # Fused with a copy of themselves, as with the scores of a run.
    copy = work.run("other") / "scores.npz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    fused = load_scores(fuse.run(change(cfg, fuse__runs=("idt", "other"))))
    np.testing.assert_array_equal(fused.scores.argmax(1), scores.label)


def test_another_vocabulary_makes_new_vectors(work):
    idt.run(config(work))
    vector = next(iter(work.run("idt").glob("fisher/*/*.npz")))
    before = vector.read_bytes()
    idt.run(config(work, idt__components=1))
    assert len(vector.read_bytes()) < len(before)


def test_files_of_another_program(tmp_path, work):
    dataset = load_dataset(work.dataset)
    for video in dataset.videos:
        rows = read_trajectories(work.trajectories / f"{video.name}.bin.gz")
        target = tmp_path / f"{video.name}.txt"
        target.parent.mkdir(exist_ok=True)
        write_trajectories(target, [rows])
    scores = load_scores(idt.run(config(work, idt__files=str(tmp_path))))
    assert scores.scores.argmax(1).tolist() == [0, 0, 1, 1]
    # A test video in which nothing moves any more has no trajectory, and not the vector of before.
    target.write_bytes(b"")
    idt.run(config(work, idt__files=str(tmp_path)))
    with np.load(work.run("idt") / "fisher" / f"{video.name}.npz") as stored:
        assert not stored["vector"].any()
    target.unlink()
    with pytest.raises(FileError, match=f"of the trajectories of {video.name} there is none"):
        idt.run(config(work, idt__files=str(tmp_path)))


def test_no_training_video_with_a_trajectory(tmp_path, work):
    for video in load_dataset(work.dataset).videos:
        path = tmp_path / f"{video.name}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(FileError, match="no training video has a trajectory"):
        idt.run(config(work, idt__files=str(tmp_path)))


def test_samples_have_the_same_number_of_each_video(work):
    train = load_dataset(work.dataset).part("train")
    paths = {video.name: work.trajectories / f"{video.name}.bin.gz" for video in train}
    samples = idt._samples(config(work, idt__samples=40), train, paths)
    assert len(samples["hog"]) == 40 and samples["hof"].shape == (40, 108)
    again = idt._samples(config(work, idt__samples=40), train, paths)
    np.testing.assert_array_equal(samples["mbh_x"], again["mbh_x"])
    other = idt._samples(config(work, idt__samples=40, seed=1), train, paths)
    assert not np.array_equal(samples["hog"], other["hog"])


# ---- refusals ------------------------------------------------------------------------------------


def test_without_scikit_learn(work, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(scikit_learn.importlib, "import_module", absent)
    with pytest.raises(
        ConfigError, match=r"need scikit-learn.* pip install 'videolstm-jax\[idt\]'"
    ):
        idt.run(config(work))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"idt__length": 2}, "idt.length is 2; expected a number from 3 up"),
        ({"idt__side": -1}, "idt.side is -1; expected a number from 0 up"),
        ({"idt__cost": 0.0}, "idt.cost is 0.0; expected"),
        ({"idt__samples": 0}, "idt.samples is 0; expected a number from 1 up"),
        ({"objects__stride": 0}, "objects.stride is 0; expected a number from 1 up"),
    ],
)
def test_settings_that_cannot_be_used(work, settings, message):
    with pytest.raises(ConfigError, match=message):
        config(work, **settings)
