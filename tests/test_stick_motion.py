"""What tells the stick actions apart: the course of the motion, and nothing else."""

import numpy as np
import pytest

from videolstm_jax.synthetic import keyframes, scenes, stick_clips
from videolstm_jax.synthetic.keyframes import REVERSED_PAIRS
from videolstm_jax.synthetic.stick_clips import STICK_CLASSES, ClipSpec


def fitted_accuracy(train, label, test, test_label, waves=1200, width=2.0, ridge=1e-3):
    """Ridge regression on random cosine features of standardised inputs: a Gaussian kernel."""
    draw, classes = np.random.default_rng(0), label.max() + 1
    mean, spread = train.mean(0), train.std(0) + 1e-6
    weights = draw.normal(size=(train.shape[1], waves)) * np.sqrt(width / train.shape[1])
    offset = draw.uniform(0, 2 * np.pi, waves)
    train_waves, test_waves = (
        np.cos((x - mean) / spread @ weights + offset) for x in (train, test)
    )
    ridge = ridge * len(train_waves) / 2 * np.eye(waves)
    scores = test_waves @ np.linalg.solve(
        train_waves.T @ train_waves + ridge, train_waves.T @ np.eye(classes)[label]
    )
    return float((scores.argmax(1) == test_label).mean())


def joint_features(clips, test, difficulty):
    """Root-centred joints over torso length, eight frames a clip [clips * 8, 8, J * 2]; labels."""
    rows, labels = [], []
    for label, action in enumerate(STICK_CLASSES):
        for number in range(clips):
            joints = stick_clips.stick_clip_joints(
                ClipSpec(action, number, test, difficulty, seed=21)
            )
            joints = joints[np.linspace(0, len(joints) - 1, 8).round().astype(int)]
            joints = joints - joints[:, 2:3]
            rows.append((joints / np.linalg.norm(joints[:, 1], axis=-1).mean()).reshape(8, -1))
            labels.append(label)
    return np.array(rows), np.array(labels)


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_one_frame_of_true_joints_tells_little_and_eight_tell_all(difficulty):
    train, label = joint_features(40, False, difficulty)
    mirror = np.tile([-1.0, 1.0], train.shape[-1] // 2)
    train, label = np.concatenate([train, train * mirror]), np.tile(label, 2)
    test, test_label = joint_features(40, True, difficulty)
    single = fitted_accuracy(
        train.reshape(len(train) * 8, -1),
        label.repeat(8),
        test.reshape(len(test) * 8, -1),
        test_label.repeat(8),
    )
    several = fitted_accuracy(
        train.reshape(len(train), -1), label, test.reshape(len(test), -1), test_label
    )
    assert 0.5 < single <= 0.65  # the best that can be done is .625: two classes and three pairs
    assert several >= 0.98


@pytest.mark.parametrize("pair", REVERSED_PAIRS)
def test_pairs_are_one_motion_played_backwards(pair):
    forwards, backwards = (keyframes.ACTIONS[name] for name in pair)
    assert forwards[0] is backwards[0] and (forwards[1], backwards[1]) == (1, -1)
    steady = keyframes.MotionStyle(1.0, 0.3, 1.0, 0.01, 0.0, 0.0, 5)
    forward_pose, _ = keyframes.actor_pose(pair[0], steady, 33)
    backward_pose, _ = keyframes.actor_pose(
        pair[1], steady._replace(start=0.3 + 32 / forwards[0].frames), 33
    )
    for one, other in zip(forward_pose[:-1], backward_pose[:-1], strict=True):
        degrees = one - other[::-1]
        np.testing.assert_allclose(degrees - 360 * np.round(degrees / 360), 0.0, atol=1e-9)


def attributes(spec):
    """Everything of a clip that must not tell its class, as one vector."""
    actor, scene = stick_clips.sample_stick_clip(spec)
    wall, distractor = scene.background, scene.distractor
    values = [
        scene.frames,
        scene.stature,
        scene.centre,
        scene.feet,
        scene.mirrored,
        scene.turn,
        scene.tempo,
        scene.start,
        scenes.TEXTURES.index(wall.texture),
        wall.hue,
        wall.saturation,
        wall.value,
        wall.contrast,
        wall.floor,
        wall.clutter,
        *distractor.start,
        *distractor.velocity,
        distractor.angle,
        distractor.spin,
        distractor.length,
        *distractor.colour,
        *actor.shirt,
        *actor.trousers,
        actor.tempo,
        actor.body.limb,
    ]
    return np.array(values, float)


def attribute_accuracy(context, difficulty):
    """Of a classifier that sees the attributes alone, on clips of other actors."""
    samples = {}
    for test, clips in ((False, 60), (True, 60)):
        specs = [
            ClipSpec(action, number, test, difficulty, context)
            for action in STICK_CLASSES
            for number in range(clips)
        ]
        samples[test] = np.array([attributes(spec) for spec in specs]), np.arange(8).repeat(clips)
    return fitted_accuracy(*samples[False], *samples[True], width=1.0, ridge=1e-2)


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_nothing_but_the_motion_depends_on_the_class(difficulty):
    chance, spread = 1 / 8, np.sqrt(1 / 8 * 7 / 8 / 480)
    assert abs(attribute_accuracy(0.0, difficulty) - chance) < 3.5 * spread
    assert attribute_accuracy(1.0, difficulty) > 0.9


def test_context_is_the_chance_of_the_classs_own_background():
    walls = [
        stick_clips.sample_stick_clip(ClipSpec("Chop", number, context=0.4))[1].background
        for number in range(300)
    ]
    own = stick_clips.sample_stick_clip(ClipSpec("Chop", 0, context=1.0))[1].background
    assert 0.3 < np.mean([wall == own for wall in walls]) < 0.5
    assert (
        own == stick_clips.sample_stick_clip(ClipSpec("Chop", 7, True, context=1.0))[1].background
    )
    assert own != stick_clips.sample_stick_clip(ClipSpec("Toss", 0, context=1.0))[1].background


def test_any_sixteen_frames_show_the_direction():
    """In the flow of the joints, every crop of T = 16 frames moves: no motion stops early."""
    for action in STICK_CLASSES:
        for number in range(6):
            joints = stick_clips.stick_clip_joints(ClipSpec(action, number))
            speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
            crops = np.lib.stride_tricks.sliding_window_view(speed, 15)
            assert crops.mean(1).min() > 0.8  # pixels a frame, of the fastest joint
