"""Baselines of UT-Interaction on pixels and on five frames: what they read, and what they learn."""

import numpy as np

from benchmarks.real_data import ut_baselines, ut_folds
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import save_dataset


def test_ridge_reads_the_mean_of_the_frames_of_a_clip(tmp_path, monkeypatch):
    """Frames of the first class are red in the mean, those of the second green."""
    opened = []

    class MadeReader:
        def __init__(self, stream, side, **options):
            opened.append((stream, side, options["fps"], options["fit"].kind))

        def read(self, video):
            # The colours of the frames differ; their means tell the classes apart.
            frames = np.zeros((2, 28, 28, 3), np.uint8)
            frames[0, ..., video.label] = 200 + int(video.group)
            return frames

    monkeypatch.setattr(ut_baselines, "FrameReader", MadeReader)
    videos = []
    for number in range(8):
        part = "train" if number < 6 else "test"
        videos.append(Video(f"v{number}", "", number % 2, part, str(number // 2), 3, 8, 8, 10.0))
    changes = {"workdir": str(tmp_path), "data__fps": 10.0, "data__fit": "squash"}
    fold = Settings("small", changes)
    save_dataset(ut_folds.work_of(fold).dataset, Dataset(("a", "b"), tuple(videos)))
    vectors = ut_baselines._mean_frames(fold)
    assert vectors["v0"].shape == (28 * 28 * 3,)
    assert vectors["v0"].reshape(-1, 3)[0].tolist() == [100, 0, 0]
    row = ut_baselines.pixels_row([fold], ["v6", "v7"])
    assert row.right.tolist() == [[True, True]]
    assert opened == [("rgb", 28, 10.0, "squash")] * 2


def test_five_frames_are_the_middles_of_five_parts(tmp_path, monkeypatch):
    """Only the frames 1, 3, 5, 7 and 9 of ten tell the class; each sequence is tested once."""
    folder = ut_folds.arrays_folder(str(tmp_path), "rgb") / "pool5"
    folder.mkdir(parents=True)
    videos = []
    for number in range(20):
        name, label = f"v_g{number // 2 + 1:02d}_c{number % 2}", number % 2
        maps = np.zeros((10, 1, 1, 2), np.float16)
        maps[1::2, ..., label] = 1
        maps[::2] = np.random.default_rng(number).normal(size=(5, 1, 1, 2)) * 100
        np.save(folder / f"{name}.npy", maps)
        videos.append(Video(name, "", label, "train", str(number // 2), 11, 8, 8, 10.0))
    tested = []
    ridge_right = ut_baselines.ridge_right

    def recorded(dataset, vectors):
        tested.append({ut_folds.sequence_of(video.name) for video in dataset.part("test")})
        return ridge_right(dataset, vectors)

    monkeypatch.setattr(ut_baselines, "ridge_right", recorded)
    names = [video.name for video in videos]
    dataset = Dataset(("a", "b"), tuple(videos))
    rows = ut_baselines.five_frames_rows(dataset, str(tmp_path), names)
    assert all(row.right.all() for row in rows.values())
    folds = [{5, 10}, {1, 6}, {2, 7}, {3, 8}, {4, 9}]
    assert tested == [*folds, *({sequence} for sequence in range(1, 11))]
