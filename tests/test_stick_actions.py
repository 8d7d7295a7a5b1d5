"""The built-in set: its files and its pictures."""

import hashlib
import json

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.errors import ConfigError
from videolstm_jax.synthetic import drawing, keyframes, skeleton, stick_actions, stick_clips
from videolstm_jax.synthetic.stick_actions import StickSettings
from videolstm_jax.synthetic.stick_clips import STICK_CLASSES, ClipSpec

SMALL = {
    "classes": ("Chop", "JumpingJack", "SitDown", "Toss"),
    "clips_per_class": 3,
    "test_clips_per_class": 1,
    "seed": 3,
}


def bytes_of(folder):
    """A digest of every file under a folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stick")
    stick_actions.generate_stick_actions(folder, **SMALL)
    return folder


# ---- the folder ----------------------------------------------------------------------------------


def test_lists_are_ucf101s_and_name_every_video(made):
    classes = [line.split() for line in (made / "classInd.txt").read_text().splitlines()]
    assert classes == [[str(number), name] for number, name in enumerate(SMALL["classes"], 1)]
    train = [line.split() for line in (made / "trainlist01.txt").read_text().splitlines()]
    test = (made / "testlist01.txt").read_text().splitlines()
    assert len(train) == 3 * 4 and len(test) == 4
    assert all(SMALL["classes"][int(label) - 1] == name.split("/")[0] for name, label in train)
    listed = {name for name, _ in train} | set(test)
    assert listed == {
        str(path.relative_to(made / "videos")) for path in (made / "videos").rglob("*.mp4")
    }
    assert "SitDown/v_SitDown_g01_c01.mp4" in listed and "SitDown/v_SitDown_g03_c01.mp4" in listed
    assert not list(made.rglob(".*"))


def test_actors_of_the_test_list_never_train(made):
    group = {
        name: {
            line.split(".")[0].split("_")[2]
            for line in (made / f"{name}list01.txt").read_text().splitlines()
        }
        for name in ("train", "test")
    }
    assert group == {"train": {"g01", "g03"}, "test": {"g02"}}
    clips = stick_actions.list_stick_clips(StickSettings(clips_per_class=8, test_clips_per_class=8))
    people = {
        test: {stick_clips.sample_stick_clip(spec)[0] for spec in clips if spec.test == test}
        for test in (False, True)
    }
    assert len(people[False]) == len(people[True]) == 4 and not people[False] & people[True]


def test_videos_are_ordinary_files_with_a_box_a_frame(made):
    boxes = json.loads((made / "boxes.json").read_text())
    assert len(boxes) == 16
    for spec in stick_actions.list_stick_clips(StickSettings(**SMALL))[::5]:
        frames, true, _ = stick_clips.make_stick_clip(spec)
        with av.open(str(made / "videos" / f"{spec.name}.mp4")) as file:
            assert float(file.streams.video[0].average_rate) == 25.0
            decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        assert decoded.shape == frames.shape == (len(true), 64, 64, 3)
        assert 32 <= len(frames) <= 40
        assert np.abs(decoded.astype(int) - frames).mean() < 4.0
        assert boxes[spec.name] == true.tolist()


def test_equal_settings_write_equal_bytes_on_any_number_of_threads(made, tmp_path):
    stick_actions.generate_stick_actions(tmp_path, **SMALL, workers=1)
    assert bytes_of(tmp_path) == bytes_of(made)


def test_clips_do_not_depend_on_how_many_there_are(made, tmp_path):
    stick_actions.generate_stick_actions(
        tmp_path, **SMALL | {"classes": ("Toss", "Chop"), "clips_per_class": 1}
    )
    fewer, more = bytes_of(tmp_path), bytes_of(made)
    videos = [name for name in fewer if name.endswith(".mp4")]
    assert len(videos) == 4
    assert all(fewer[name] == more[name] for name in videos)
    assert (tmp_path / "classInd.txt").read_text() == "1 Toss\n2 Chop\n"


def test_a_second_call_finds_the_set_and_other_settings_are_refused(made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert str(stick_actions.generate_stick_actions(made, **SMALL, workers=5)) == str(made)
    with pytest.raises(ConfigError, match=r"difficulty is 'easy', asked for 'hard'"):
        stick_actions.generate_stick_actions(made, **SMALL, difficulty="hard")
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*")}


def test_an_interrupted_call_leaves_no_set(tmp_path, monkeypatch):
    write, written = stick_actions.encode.write_video, []

    def failing(path, *args):
        written.append(path)
        if len(written) == 5:
            raise OSError("disk full")
        write(path, *args)

    monkeypatch.setattr(stick_actions.encode, "write_video", failing)
    with pytest.raises(OSError, match="disk full"):
        stick_actions.generate_stick_actions(tmp_path / "set", **SMALL, workers=1)
    assert not list((tmp_path / "set").iterdir())
    monkeypatch.undo()
    stick_actions.generate_stick_actions(
        tmp_path / "set", classes=("Chop",), clips_per_class=1, test_clips_per_class=1
    )
    assert (tmp_path / "set" / "stick_actions.json").exists()


def test_a_folder_with_other_videos_is_refused(tmp_path):
    (tmp_path / "videos").mkdir()
    with pytest.raises(ConfigError, match=r"exists but stick_actions\.json does not"):
        stick_actions.generate_stick_actions(tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": ("Chop", "Fly")}, "classes are .*'Fly'"),
        ({"classes": ()}, "classes are"),
        ({"classes": ("Chop", "Chop")}, "different"),
        ({"difficulty": "medium"}, "difficulty is 'medium'; .*easy or hard"),
        ({"context": 1.5}, "context is 1.5"),
        ({"clips_per_class": 0}, "clips_per_class is 0"),
        ({"test_clips_per_class": -1}, "test_clips_per_class"),
        ({"seed": -1}, "seed is -1"),
        ({"size": 8}, "size is 8"),
        ({"clips_per_class": 1.5}, "whole number"),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, message):
    with pytest.raises(ConfigError, match=message):
        stick_actions.generate_stick_actions(tmp_path / "set", **wrong)
    assert not (tmp_path / "set").exists()


# ---- the pictures --------------------------------------------------------------------------------


@given(
    st.sampled_from(STICK_CLASSES),
    st.integers(0, 50),
    st.booleans(),
    st.sampled_from(["easy", "hard"]),
    st.sampled_from([48, 64, 112]),
)
@settings(max_examples=12, deadline=None)
def test_boxes_are_tight_about_what_the_actor_changes(action, number, test, difficulty, size):
    """The actor's pixels are found a second way: as what changes when their colours do."""
    spec = ClipSpec(action, number, test, difficulty, seed=9, size=size)
    actor, scene = stick_clips.sample_stick_clip(spec)
    pictures = []
    for colour in ((255, 0, 255), (0, 255, 0)):
        painted = actor._replace(
            skin=colour, hair=colour, shirt=colour, trousers=colour, shoes=colour
        )
        joints, near, facing = stick_clips.move_actor(spec, actor, scene)
        frames, boxes = drawing.draw_stick_clip(
            joints, near, facing, painted, scene._replace(noise=0), size
        )
        pictures.append(frames.astype(int))
    change = np.abs(pictures[0] - pictures[1]).max(-1)
    assert np.array_equal(boxes, stick_clips.make_stick_clip(spec)[1])
    for pixels, (x0, y0, x1, y1) in zip(change, boxes, strict=True):
        assert 0 <= x0 < x1 <= size and 0 <= y0 < y1 <= size
        covered = np.argwhere(pixels > 0)
        loose = np.array([*covered.min(0)[::-1], *(covered.max(0)[::-1] + 1)])
        assert (
            np.abs(loose - [x0, y0, x1, y1]).max() <= 1
        )  # a pixel less than half covered changes too
        for edge in (
            pixels[y0:y1, x0],
            pixels[y0:y1, x1 - 1],
            pixels[y0, x0:x1],
            pixels[y1 - 1, x0:x1],
        ):
            assert (
                edge.max() >= 60
            )  # an outline of 55 % of 255 that covers half a pixel changes it by 70


@given(st.sampled_from(STICK_CLASSES), st.integers(0, 200), st.sampled_from(["easy", "hard"]))
@settings(max_examples=30, deadline=None)
def test_bones_keep_their_lengths_and_feet_stay_above_the_floor(action, number, difficulty):
    actor, scene = stick_clips.sample_stick_clip(ClipSpec(action, number, difficulty=difficulty))
    style = keyframes.MotionStyle(
        actor.tempo, scene.start, actor.reach, actor.lag, scene.sway, 0.02, scene.seed
    )
    pose, _ = keyframes.actor_pose(action, style, 40)
    points = dict(
        zip(
            skeleton.JOINTS,
            np.moveaxis(skeleton.figure_joints(pose, actor.body), 1, 0),
            strict=True,
        )
    )
    bones = [("neck", "pelvis", actor.body.torso)]
    for side in ("left_", "right_"):
        bones += [
            (side + "shoulder", side + "elbow", actor.body.arm),
            (side + "elbow", side + "hand", actor.body.arm),
            (side + "hip", side + "knee", actor.body.thigh),
            (side + "knee", side + "ankle", actor.body.thigh),
        ]
    for a, b, length in bones:
        np.testing.assert_allclose(
            np.linalg.norm(points[a] - points[b], axis=-1), length, rtol=1e-9
        )
    feet = np.stack(
        [points[side + part][:, 1] for side in ("left_", "right_") for part in ("ankle", "toe")]
    )
    np.testing.assert_allclose(feet.min(0), pose.hop, atol=1e-12)


def test_joints_lie_where_the_figure_is_drawn():
    for difficulty in ("easy", "hard"):
        for action in STICK_CLASSES:
            spec = ClipSpec(action, 1, difficulty=difficulty)
            _, boxes, joints = stick_clips.make_stick_clip(spec)
            low, high = np.maximum(joints.min(1), 0), np.minimum(joints.max(1), 64)
            assert (low >= boxes[:, :2] - 1.0).all() and (high <= boxes[:, 2:] + 1.0).all()
            assert np.array_equal(joints, stick_clips.stick_clip_joints(spec))


def test_easy_figures_are_large_and_in_the_picture():
    clips = [
        stick_clips.make_stick_clip(ClipSpec(action, number))
        for action in STICK_CLASSES
        for number in (0, 2)
    ]
    heights = np.concatenate([boxes[:, 3] - boxes[:, 1] for _, boxes, _ in clips])
    assert 0.6 < heights.mean() / 64 < 0.95
    inside = [((joints >= 0) & (joints <= 64)).all(-1).mean() for _, _, joints in clips]
    assert np.mean(inside) > 0.99
