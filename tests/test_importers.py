"""Features that others stored as HDF5, in files of exactly their layouts, against plain loops."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from foreign_maps import LENGTHS, D, N, maps

from videolstm_jax.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from videolstm_jax.errors import FileError
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.stages import train
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

STEMS = ("v_Archery_g01_c01", "v_Archery_g02_c01", "v_Bowling_g01_c03")


def write_h5(path, array, name="features"):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array)


def write_lists(folder, names, lengths, labels, part="train", plural="s"):
    (folder / f"{part}_filename{plural}.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / f"{part}_framenum.txt").write_text("".join(f"{length}\n" for length in lengths))
    (folder / f"{part}_labels.txt").write_text("".join(f"{label}\n" for label in labels))


@pytest.fixture
def authors(tmp_path):
    folder = tmp_path / "rgb_vgg16_pool5"
    folder.mkdir()
    for seed, (stem, length) in enumerate(zip(STEMS, LENGTHS, strict=True)):
        write_h5(folder / f"{stem}.h5", maps(seed, length))
    write_lists(tmp_path, STEMS[:2], LENGTHS[:2], (0, 0))
    write_lists(tmp_path, STEMS[2:], LENGTHS[2:], (1,), part="test")
    return folder


@pytest.fixture
def sharma(tmp_path):
    """As MATLAB wrote it: element (region, channel) of N*N x D lies at region + N*N * channel."""
    names = (("archery/a_1.avi", "archery/a_2.avi"), ("bowling/b_1.avi",))
    for part, listed, seeds in (("train", names[0], (0, 1)), ("test", names[1], (2,))):
        rows = []
        for seed in seeds:
            for frame in maps(seed, LENGTHS[seed]):
                row = np.empty(N * N * D, np.float32)
                for y in range(N):
                    for x in range(N):
                        for d in range(D):
                            row[(N * y + x) + N * N * d] = frame[d, y, x]
                rows.append(row)
        write_h5(tmp_path / f"{part}_features.h5", np.stack(rows))
        write_lists(
            tmp_path,
            listed,
            [LENGTHS[seed] for seed in seeds],
            [int(seed == 2) for seed in seeds],
            part,
            "",
        )
    return tmp_path


def check(store, names):
    assert store.shape == (N, N, D)
    for seed, name in enumerate(names):
        features, expected = store.read(name), maps(seed, LENGTHS[seed]).astype(np.float16)
        for t in range(LENGTHS[seed]):
            for y in range(N):
                for x in range(N):
                    for d in range(D):
                        assert features[t, y, x, d] == expected[t, d, y, x]


def test_the_authors_maps_become_channel_last(authors, tmp_path):
    features = foreign.authors_features(authors)
    dataset = importers.dataset_of_foreign_features(tmp_path, features)
    assert dataset.classes == ("Archery", "Bowling")
    assert [(v.name, v.label, v.part, v.group, v.frames) for v in dataset.videos] == [
        (f"Archery/{STEMS[0]}", 0, "train", "g01", 4),
        (f"Archery/{STEMS[1]}", 0, "train", "g02", 6),
        (f"Bowling/{STEMS[2]}", 1, "test", "g01", 5),
    ]
    store = importers.import_features(
        features, dataset, tmp_path / "store", {"imported": "authors"}
    )
    check(store, [v.name for v in dataset.videos])
    train_values = np.concatenate(
        [maps(seed, LENGTHS[seed]).astype(np.float16).ravel() for seed in (0, 1)]
    )
    assert store.std == pytest.approx(train_values.astype(np.float64).std(), rel=1e-9)


def test_sharmas_rows_are_read_in_fortran_order(sharma, tmp_path):
    features = foreign.sharma_features(sharma, side=N)
    as_he_does = np.concatenate([features["archery/a_1"].read(), features["archery/a_2"].read()])
    with h5py.File(sharma / "train_features.h5") as file:
        rows = file["features"][:]
    reshaped = np.stack([row.reshape(N * N, D, order="F").reshape(N, N, D) for row in rows])
    assert np.array_equal(as_he_does, reshaped)
    dataset = importers.dataset_of_foreign_features(sharma, features)
    assert dataset.classes == ("archery", "bowling") and [v.part for v in dataset.videos] == [
        "train",
        "train",
        "test",
    ]
    check(
        importers.import_features(features, dataset, tmp_path / "store", {}),
        [v.name for v in dataset.videos],
    )


def test_fully_connected_features_are_vectors(tmp_path):
    for kind, shape in (("flat", (4, 10)), ("map", (4, 10, 1, 1))):
        (tmp_path / kind).mkdir()
        array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        write_h5(tmp_path / kind / "a.h5", array)
        features = foreign.authors_features(tmp_path / kind)["a"]
        assert (features.frames, features.shape) == (4, (10,)) and np.array_equal(
            features.read(), array.reshape(4, 10)
        )


@pytest.mark.parametrize("frames, taken", [(3, None), (4, 3), (5, 4), (6, None)])
def test_one_record_a_frame_loses_the_last(tmp_path, frames, taken):
    write_h5(tmp_path / "a.h5", maps(0, 4))
    video = Video("c/a", "", 0, "train", "a", frames, 8, 8, 25.0)
    dataset = Dataset(("c",), (video, video._replace(name="c/unused", part="unused")))
    features = foreign.authors_features(tmp_path)
    if taken is None:
        with pytest.raises(
            FileError, match=f"c/a has 4 records; expected {frames - 1} or {frames} for {frames}"
        ):
            importers.import_features(features, dataset, tmp_path / "store", {})
        return
    store = importers.import_features(features, dataset, tmp_path / "store", {})
    assert store.frames == {"c/a": taken}
    assert np.array_equal(
        store.read("c/a"), np.moveaxis(maps(0, 4)[:taken], 1, 3).astype(np.float16)
    )


def test_what_does_not_fit_is_named(authors, sharma, tmp_path):
    features = foreign.authors_features(authors)
    dataset = importers.dataset_of_foreign_features(
        tmp_path, dict.fromkeys((*STEMS, "a_1", "a_2", "b_1"), features[STEMS[0]])
    )
    with pytest.raises(FileError, match="there are no features of Archery/other"):
        importers.import_features(
            features,
            Dataset(("Archery",), (dataset.videos[0]._replace(name="Archery/other"),)),
            tmp_path / "store",
            {},
        )
    with pytest.raises(FileError, match=r"has no \.h5 files; expected one a video"):
        foreign.authors_features(tmp_path / "nowhere")
    for array, message in (
        (np.zeros((2, 3, 4, 5)), r"\[2, 3, 4, 5\]; expected \[T, D, N, N\]"),
        (np.zeros(3), r"\[3\]"),
    ):
        (tmp_path / "odd").mkdir(exist_ok=True)
        write_h5(tmp_path / "odd" / "a.h5", array)
        with pytest.raises(FileError, match=message):
            foreign.authors_features(tmp_path / "odd")
    write_h5(tmp_path / "odd" / "a.h5", np.zeros((2, 3)), name="feature")
    with pytest.raises(FileError, match=r"has \['feature'\]; expected an array called features"):
        foreign.authors_features(tmp_path / "odd")
    (tmp_path / "odd" / "a.h5").write_bytes(b"not HDF5" * 100)
    with pytest.raises(FileError, match="cannot be read as HDF5"):
        foreign.authors_features(tmp_path / "odd")
    with pytest.raises(FileError, match=r"rows of 54 values; expected a multiple of 7 x 7"):
        foreign.sharma_features(sharma)
    (sharma / "train_framenum.txt").write_text("3\n4\n")
    with pytest.raises(FileError, match=r"has 8 rows; the lengths of train_framenum\.txt sum to 7"):
        foreign.sharma_features(sharma, side=N)
    (sharma / "train_framenum.txt").write_text("8\n")
    with pytest.raises(FileError, match=r"train_framenum\.txt: 1 lines for 2 videos"):
        foreign.sharma_features(sharma, side=N)
    (sharma / "train_framenum.txt").write_text("3\n5\n")
    features = foreign.sharma_features(sharma, side=N)
    (sharma / "train_labels.txt").write_text("0,1\n1,0\n")
    with pytest.raises(FileError, match=r"'0,1'; expected one number a line"):
        importers.dataset_of_foreign_features(sharma, features)
    (sharma / "train_labels.txt").write_text("0\n1\n")
    with pytest.raises(FileError, match="labels do not agree with the classes in the file names"):
        importers.dataset_of_foreign_features(sharma, features)


@pytest.mark.slow
def test_from_their_files_to_a_trained_model_without_writing_a_line(authors, tmp_path):
    work = Workdir(str(tmp_path / "work"))
    command = [
        sys.executable,
        "-m",
        "launch.features",
        "authors",
        str(authors),
        str(work.features("rgb", "pool5")),
        f"--dataset={work.dataset}",
        f"--lists={tmp_path}",
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '"videos": 3' in output and load_dataset(work.dataset).classes == ("Archery", "Bowling")
    index = work.features("rgb", "pool5") / "index.json"
    before = index.read_bytes()
    subprocess.run(command, capture_output=True, check=True)
    assert index.read_bytes() == before
    FeatureStore.open(index.parent).verify()
    train.run(
        RunConfig(
            workdir=str(tmp_path / "work"),
            data=DataConfig(frames=4, batch=2),
            model=ModelConfig(cell="convalstm", hidden=4, attention=3, head=5),
            train=TrainConfig(steps=2),
        )
    )
    assert (work.run("convalstm-rgb") / "metrics.jsonl").exists()


def _external_array(file, secret):
    file.create_dataset("features", (4, 4), "u1", external=[(str(secret), 0, 16)])


def _virtual_array(file, secret):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource(secret.parent / "other.h5", "features", (4, 4))
    file.create_virtual_dataset("features", layout)


def _external_link(file, secret):
    file["features"] = h5py.ExternalLink(str(secret.parent / "other.h5"), "features")


def _soft_link(file, secret):
    file["a"] = h5py.ExternalLink(str(secret.parent / "other.h5"), "/")
    file["features"] = h5py.SoftLink("/a/features")


def _large_array(file, secret):
    file.create_dataset("features", (1 << 20, 1 << 20), "f4", chunks=(1, 1 << 20))


def _large_chunk(file, secret):
    file.create_dataset("features", (4, 4), "f4", maxshape=(None, None), chunks=(1 << 14, 1 << 15))


def _text(file, secret):
    file.create_dataset("features", data=[[b"a", b"b"]])


@pytest.mark.parametrize(
    "write, message",
    [
        (_external_array, "features lies in another file"),
        (_virtual_array, "features lies in another file"),
        (_external_link, "features is a link"),
        (_soft_link, "features is a link"),
        (_large_array, "more than the file can hold"),
        (_large_chunk, "more than the file can hold"),
        (_text, "expected numbers"),
    ],
)
def test_a_file_that_reads_others_or_fills_the_memory_is_refused(tmp_path, write, message):
    """HDF5 can refer to any file of the machine, whose bytes would become features."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(16)))
    write_h5(tmp_path / "other.h5", np.ones((4, 4), np.float32))
    folder = tmp_path / "features"
    folder.mkdir()
    with h5py.File(folder / "v_A_g01_c01.h5", "w") as file:
        write(file, secret)
    with pytest.raises(FileError, match=message) as error:
        foreign.authors_features(folder)
    assert str(error.value).startswith(f"{folder / 'v_A_g01_c01.h5'}: ")
