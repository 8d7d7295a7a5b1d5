"""Motion energy by plain averaging, and nearest neighbours by hand."""

import numpy as np
import pytest

from videolstm_jax.config import RunConfig, change
from videolstm_jax.measure.nearest import (
    nearest_motion_energy,
    nearest_scores,
    nearest_size_and_length,
    nearest_size_warning,
)
from videolstm_jax.stages import nearest
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores


@pytest.mark.parametrize("height, width, side", [(8, 12, 4), (6, 6, 6), (32, 16, 16)])
def test_energy_is_the_mean_of_each_cell(height, width, side):
    flow = np.random.default_rng(0).normal(size=(5, height, width, 2))
    magnitude = np.hypot(flow[..., 0], flow[..., 1]).mean(0)
    cells = magnitude.reshape(side, height // side, side, width // side).mean((1, 3))
    np.testing.assert_allclose(nearest_motion_energy(flow, side), cells / cells.sum(), rtol=1e-10)


def test_energy_of_an_odd_size_against_fine_pixels():
    flow = np.random.default_rng(1).normal(size=(2, 5, 7, 2))
    fine = flow.repeat(12, 1).repeat(12, 2)  # 60 x 84 divides by 4, 5 x 7 does not
    np.testing.assert_allclose(
        nearest_motion_energy(flow, 4), nearest_motion_energy(fine, 4), rtol=1e-10
    )


def test_nothing_moves():
    assert not nearest_motion_energy(np.zeros((3, 8, 8, 2)), 4).any()


def test_nearest_neighbour():
    train = np.array([[0.0, 0], [1, 0], [5, 5]])
    scores = nearest_scores(train, np.array([0, 1, 1]), np.array([[0.1, 0], [4, 4.0], [0, 0]]), 2)
    assert scores.argmax(1).tolist() == [0, 1, 0]
    np.testing.assert_allclose(scores.sum(1), 1)


def test_a_class_without_examples():
    with pytest.raises(ValueError, match="class 2 has no training example"):
        nearest_scores(np.zeros((2, 1)), np.array([0, 1]), np.zeros((1, 1)), 3)


# ---- size and length -----------------------------------------------------------------------------


def write_list(folder, size_of):
    """Ten training and ten test videos of each of three classes; `size_of` gives W, H, L."""
    videos = []
    for label in range(3):
        for number in range(20):
            width, height, frames = size_of(label, number)
            part = "train" if number % 2 else "test"
            name = f"c{label}/v{number:02d}"
            fields = (name, "", label, part, name, frames, width, height, 25.0)
            videos.append(Video(*fields))
    save_dataset(Workdir(str(folder)).dataset, Dataset(("c0", "c1", "c2"), tuple(videos)))
    cfg = change(RunConfig(workdir=str(folder)), flow__online=True)
    nearest.run(cfg)
    return Workdir(str(folder))


def test_a_shape_that_tells_the_class_is_seen(tmp_path, capsys):
    work = write_list(tmp_path, lambda label, k: (100 + 60 * label + k, 200 + k % 3, 60 + k))
    scores = load_scores(work.run("nearest-size") / "scores.npz")
    assert (scores.scores.argmax(1) == scores.label).all() and len(scores.label) == 30
    printed = capsys.readouterr().out
    assert "nearest neighbour on size and length: 30 of 30 test videos right" in printed
    assert "warning: the width, height and number of frames" in printed and "33.3 %" in printed
    # With `flow.online` there is no flow to compare.
    assert not work.run("nearest-motion").exists()


def test_one_shape_for_all_is_no_warning(tmp_path, capsys):
    lengths = np.random.default_rng(0).integers(50, 90, (3, 20))
    write_list(tmp_path, lambda label, k: (320, 240, int(lengths[label, k])))
    printed = capsys.readouterr().out
    assert "size and length" in printed and "warning" not in printed


def test_imported_features_have_no_size(tmp_path, capsys):
    work = write_list(tmp_path, lambda label, k: (0, 0, 50))
    assert not capsys.readouterr().out and not work.run("nearest-size").exists()


def test_size_and_length_by_hand():
    rows = nearest_size_and_length(np.array([1, 2]), np.array([1, 4]), np.array([1, 8]))
    np.testing.assert_allclose(rows, np.log([[1, 1, 1], [2, 4, 8]]))


@pytest.mark.parametrize(
    "right, total, chance, warned",
    [(0, 0, 0.5, False), (8, 30, 0.17, False), (15, 30, 0.17, True), (15, 30, 0.5, False)],
)
def test_a_warning_needs_more_than_chance(right, total, chance, warned):
    """Wilson's interval of 8 of 30 begins at .142, that of 15 of 30 at .332."""
    assert bool(nearest_size_warning(right, total, chance)) == warned
