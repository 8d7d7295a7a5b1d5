"""The folds of UT-Interaction: lists, held-out sequences, and the features of a fold."""

import itertools

import numpy as np
import pytest

from benchmarks.real_data import backbone_arrays, ut_folds, ut_tries
from benchmarks.real_data.projection import principal_components
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset


def test_every_sequence_is_held_out_once(tmp_path):
    videos = tmp_path / "videos"
    for name in ("Hugging", "Pushing"):
        (videos / name).mkdir(parents=True)
        for sequence in range(1, 16):
            (videos / name / f"v_{name}_g{sequence:02d}_c01.avi").write_bytes(b"")
    ut_folds.write_lists(videos, tmp_path / "lists")
    tested = []
    for fold in range(1, 6):
        test = (tmp_path / f"lists/testlist0{fold}.txt").read_text().split("\n")[:-1]
        train = (tmp_path / f"lists/trainlist0{fold}.txt").read_text()
        assert {ut_folds.sequence_of(name) for name in test} == {fold, fold + 5, fold + 10}
        assert not any(name in train for name in test)
        assert len(train.splitlines()) == 24
        tested += test
    assert len(set(tested)) == len(tested) == 30
    assert (tmp_path / "lists/classInd.txt").read_text() == "1 Hugging\n2 Pushing\n"


def test_principal_components_are_the_axes_of_most_variance():
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(4, 2, 2, 5)) * np.array([1, 9, 2, 5, 1]) + 3
    project = principal_components([maps[:1], maps[1:]], 2)
    assert np.abs(project.axes).argmax(0).tolist() == [1, 3]
    components = project(maps).reshape(-1, 2)
    np.testing.assert_allclose(components.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(project.axes.T @ project.axes, np.eye(2), atol=1e-5)


def test_a_fold_imports_both_views_with_the_axes_of_its_training_list(tmp_path):
    form = ut_folds.FeatureForm(channels=2)
    generator = np.random.default_rng(0)
    videos = []
    for number, part in enumerate(("train", "train", "test")):
        name = f"a/v_a_g{number + 1:02d}_c01"
        videos.append(Video(name, f"{name}.avi", 0, part, str(number), 5, 8, 8, 10.0))
        for stream, view, layer in itertools.product(
            ("rgb", "flow"), backbone_arrays.VIEWS, backbone_arrays.LAYERS
        ):
            frames = 2 if view == "mirrored" else 4
            shape = (frames, 2, 2, 3) if layer == "pool5" else (frames, 3)
            path = ut_folds.arrays_folder(str(tmp_path), stream, view) / layer / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, generator.normal(size=shape).astype(np.float16))
    fold = Settings("small", {"workdir": str(tmp_path / "fold-1")})
    ut_folds.work_of(fold).path.mkdir()
    save_dataset(ut_folds.work_of(fold).dataset, Dataset(("a",), tuple(videos)))
    settings = ut_folds.training_fold(fold, str(tmp_path), form)
    ut_folds.import_features(settings, str(tmp_path), form)
    work = ut_folds.work_of(settings)
    filmed = FeatureStore.open(work.features("rgb", "pool5"))
    mirrored = FeatureStore.open(work.features("rgb", "pool5", "mirrored"))
    assert filmed.shape == mirrored.shape == (2, 2, 2)
    # Every second one of four.
    assert filmed.frames == {video.name: 2 for video in videos}
    # Those of the mirrored view were thinned when they were computed.
    assert mirrored.frames == {video.name: 2 for video in videos[:2]}
    assert FeatureStore.open(work.features("flow", "fc7")).shape == (3,)


@pytest.mark.parametrize("scale", ["one", "channel", "place"])
def test_features_are_scaled_by_their_training_list(scale):
    generator = np.random.default_rng(0)
    train = [generator.normal(size=(5, 2, 2, 3)) * np.array([1, 4, 9]) + 3 for _ in range(8)]
    scaled = ut_folds._scaled(train, "pool5", ut_folds.FeatureForm(channels=0, scale=scale))
    values = np.concatenate([scaled(video) for video in train])
    if scale == "one":
        # One number for all, so that the channels keep their sizes.
        assert values.std() == pytest.approx(1, abs=1e-3)
        assert values[..., 2].std() > 4 * values[..., 0].std()
        return
    axes = 0 if scale == "place" else (0, 1, 2)
    np.testing.assert_allclose(values.mean(axes), 0, atol=1e-4)
    np.testing.assert_allclose(values.std(axes), 1, atol=1e-3)


def test_validation_holds_out_sequences_of_the_training_list_alone(tmp_path):
    videos = []
    for sequence in range(1, 16):
        part = "test" if sequence in (1, 6, 11) else "train"
        name = f"a/v_a_g{sequence:02d}_c01"
        videos.append(Video(name, f"{name}.avi", 0, part, str(sequence), 9, 8, 8, 10.0))
    fold = Settings("small", {"workdir": str(tmp_path / "fold-1")})
    ut_folds.work_of(fold).path.mkdir()
    save_dataset(ut_folds.work_of(fold).dataset, Dataset(("a",), tuple(videos)))
    held_out = []
    for number in ut_folds.HELD_OUT:
        settings = ut_folds.validation_fold(fold, str(tmp_path), held_out=number)
        assert settings.overrides["eval__part"] == "valid"
        dataset = load_dataset(ut_folds.work_of(settings).dataset)
        held_out += [ut_folds.sequence_of(video.name) for video in dataset.part("valid")]
        assert len(dataset.part("train")) == 9 and not dataset.listed("test")
        # Every second of eight records, and one frame more.
        assert {video.frames for video in dataset.videos} == {5}
    assert sorted(held_out) == [2, 3, 4, 7, 8, 9, 12, 13, 14]


def test_every_try_changes_something():
    settings = [(tuple(sorted(row.settings.items())), row.form) for row in ut_tries.TRIES.values()]
    assert len(set(settings)) == len(settings)
