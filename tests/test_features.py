"""The feature store against plain arrays, through kills, other extractors and damage."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import write_json

ROOT = pathlib.Path(__file__).parents[1]
ABOUT = {"extractor": "vgg", "size": [224, 224]}


def values(seed, length, shape=(2, 2, 3)):
    return np.random.default_rng(seed).normal(size=(length, *shape)).astype(np.float32)


def written(folder, shape=(2, 2, 3), **lengths):
    writer = FeatureWriter(folder, shape, ABOUT)
    arrays = {}
    for seed, (stem, length) in enumerate(lengths.items()):
        arrays[f"c/{stem}"] = values(seed, length, shape)
        writer.write(f"c/{stem}", arrays[f"c/{stem}"])
    writer.finish(arrays)
    return arrays


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shape", [(2, 2, 3), (5,)])
def test_reads_what_was_written(tmp_path, shape):
    arrays = written(tmp_path, shape, a=1, b=7)
    store = FeatureStore.open(tmp_path)
    assert (
        store.shape == shape
        and store.frames == {"c/a": 1, "c/b": 7}
        and store.about == ABOUT
        and store.std is None
    )
    for name, array in arrays.items():
        assert np.array_equal(store.read(name), array.astype(np.float16))
    assert np.array_equal(store.read("c/b", 2, 5), arrays["c/b"][2:5].astype(np.float16))
    assert store.read("c/b", 7, 7).shape == (0, *shape)
    assert store.path("c/b").read_bytes() == arrays["c/b"].astype("<f2").tobytes()
    assert store.record_bytes == 2 * int(np.prod(shape))
    store.verify()
    assert files(tmp_path) == {"index.json", "c/a.f16", "c/b.f16"}


def test_the_same_features_give_the_same_bytes(tmp_path):
    written(tmp_path / "one", a=3, b=2)
    written(tmp_path / "two", a=3, b=2)
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    first = FeatureWriter(tmp_path, (4,), ABOUT)
    first.write("c/a", values(0, 3, (4,)))
    first.write("c/b", values(1, 3, (4,)))
    with (tmp_path / "done.jsonl").open("a") as notes:
        notes.write('{"name": "c/torn", "fra')  # killed here
    with pytest.raises(FileError, match=r"index\.json is missing; the stage extract"):
        FeatureStore.open(tmp_path)
    (tmp_path / "c" / "b.f16").write_bytes(b"short")
    again = FeatureWriter(tmp_path, (4,), ABOUT)
    assert (
        again.done("c/a")
        and not again.done("c/b")
        and not again.done("c/torn")
        and not again.done("c/new")
    )
    before = (tmp_path / "c" / "a.f16").stat().st_mtime_ns
    again.write("c/b", values(1, 3, (4,)))
    third = FeatureWriter(tmp_path, (4,), ABOUT)
    assert third.done("c/a") and third.done("c/b")
    with pytest.raises(FileError, match="1 of 3 videos have no features: c/new"):
        third.finish(["c/a", "c/b", "c/new"])
    third.finish(["c/a", "c/b"]).verify()
    assert (tmp_path / "c" / "a.f16").stat().st_mtime_ns == before


def test_a_finished_store_can_grow(tmp_path):
    written(tmp_path, a=3)
    writer = FeatureWriter(tmp_path, (2, 2, 3), ABOUT)
    assert writer.done("c/a")
    assert FeatureStore.open(tmp_path).frames == {"c/a": 3}
    writer.write("d/z", values(5, 2))
    store = writer.finish(["c/a", "d/z"])
    assert store.frames == {"c/a": 3, "d/z": 2}
    store.verify()


@pytest.mark.parametrize("finished", [True, False])
def test_other_features_are_refused(tmp_path, finished):
    writer = FeatureWriter(tmp_path, (4,), ABOUT)
    writer.write("c/a", values(0, 3, (4,)))
    if finished:
        writer.finish(["c/a"])
    with pytest.raises(FileError, match=r"about is .*vgg.*; these features have .*other"):
        FeatureWriter(tmp_path, (4,), {"extractor": "other"})
    with pytest.raises(FileError, match=r"shape is \(4,\); these features have \(5,\)"):
        FeatureWriter(tmp_path, (5,), ABOUT)
    FeatureWriter(tmp_path, (4,), {"extractor": "vgg", "size": (224, 224)})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 4), 65505.0), "features of c/a reach 65505.0; float16 holds at most 65504"),
        (np.array([[0, np.nan, 0, 0]]), "reach nan"),
        (np.array([[0, -np.inf, 0, 0]]), "reach inf"),
        (np.zeros((2, 5)), r"are \[2, 5\]; expected \[frames, 4\]"),
        (np.zeros((0, 4)), r"are \[0, 4\]; expected \[frames, 4\]"),
    ],
)
def test_what_float16_cannot_hold_is_refused(tmp_path, array, message):
    writer = FeatureWriter(tmp_path, (4,), ABOUT)
    with pytest.raises(FileError, match=message):
        writer.write("c/a", array)
    assert not writer.done("c/a") and not (tmp_path / "c" / "a.f16").exists()
    writer.write("c/a", np.full((2, 4), 65504.0))


def test_names_stay_inside_the_folder(tmp_path):
    writer = FeatureWriter(tmp_path / "store", (4,), ABOUT)
    for name in ("../a", "/a", "", "c/../../a"):
        with pytest.raises(FileError, match="expected Class/stem"):
            writer.write(name, np.zeros((1, 4)))


def test_damage_is_named(tmp_path):
    written(tmp_path, a=3, b=3, d=3)
    store = FeatureStore.open(tmp_path)
    flipped = bytearray(store.path("c/a").read_bytes())
    flipped[7] ^= 4
    store.path("c/a").write_bytes(bytes(flipped))
    store.path("c/d").unlink()
    with pytest.raises(FileError, match=r"2 of 3 files are missing or damaged: c/a\.f16, c/d\.f16"):
        store.verify()
    store.path("c/b").write_bytes(b"x" * 10)
    with pytest.raises(FileError, match=r"c/b\.f16: is 10 bytes long; expected 72 bytes"):
        store.read("c/b", 0, 1)
    with pytest.raises(FileError, match="is missing; expected 72 bytes"):
        store.read("c/d")


def test_what_is_not_there_is_named(tmp_path):
    written(tmp_path, a=3)
    store = FeatureStore.open(tmp_path)
    with pytest.raises(FileError, match="has no features of c/z"):
        store.read("c/z")
    for start, stop in ((0, 4), (-1, 2), (2, 1)):
        with pytest.raises(FileError, match=f"frames {start} to {stop} asked for; it has 3"):
            store.read("c/a", start, stop)
    index = json.loads((tmp_path / "index.json").read_text())
    write_json(tmp_path / "index.json", index | {"dtype": "float32"})
    with pytest.raises(
        FileError, match=r"dtype is .float32.; expected one of 'float16' or 'uint8'"
    ):
        FeatureStore.open(tmp_path)
    del index["sha256"]
    write_json(tmp_path / "index.json", index)
    with pytest.raises(FileError, match="sha256 is missing"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": []}, r"frames is \[\]; expected an object"),
        ({"frames": {}}, "expected frames and sha256 by the names"),
        ({"sha256": 3}, "sha256 is 3; expected an object"),
        ({"moments": []}, r"moments is \[\]; expected an object"),
        ({"moments": {"c/a": [1]}}, r"moments.c/a\[1\] is missing"),
        ({"std": "1"}, "std is .1.; expected a number"),
        ({"frames": {"c/a": "3"}}, "frames.c/a is .3.; expected a whole number"),
        ({"frames": {"c/a": 0}}, "frames.c/a is 0; expected 1 or more"),
        ({"shape": 7}, "shape is 7; expected a list"),
        ({"shape": []}, r"shape is \[\]"),
        ({"shape": [2, -2, 3]}, r"shape\[1\] is -2; expected 1 or more"),
        ({"shape": [2, True]}, r"shape\[1\] is true; expected a whole number"),
        ({"dtype": []}, r"dtype is \[\]; expected one of 'float16' or 'uint8'"),
    ],
)
def test_an_index_of_another_form_is_named(tmp_path, changed, message):
    written(tmp_path, a=3)
    index = json.loads((tmp_path / "index.json").read_text())
    write_json(tmp_path / "index.json", index | changed)
    with pytest.raises(FileError, match=rf"index\.json: .*{message}"):
        FeatureStore.open(tmp_path)


def test_statistics_are_those_of_all_values(tmp_path):
    arrays = written(tmp_path, a=3, b=50)
    store = FeatureStore.open(tmp_path)
    every = np.concatenate(
        [array.astype(np.float16).astype(np.float64).ravel() for array in arrays.values()]
    )
    mean, std = store.statistics(["c/a", "c/b"])
    assert mean == pytest.approx(every.mean(), abs=1e-12) and std == pytest.approx(
        every.std(), rel=1e-12
    )
    with pytest.raises(FileError, match="no features"):
        store.statistics([])
    again = FeatureWriter(tmp_path, (2, 2, 3), ABOUT).finish(arrays, train=["c/a"])
    assert again.std == store.statistics(["c/a"])[1] == FeatureStore.open(tmp_path).std


def test_uint8_is_half_the_size_and_says_so(tmp_path):
    arrays = {
        name: np.maximum(values(seed, 6, (3, 3, 16)), 0) for seed, name in enumerate(("c/a", "c/b"))
    }
    writer = FeatureWriter(tmp_path, (3, 3, 16), ABOUT, dtype="uint8")
    for name, array in arrays.items():
        writer.write(name, array)
    store = writer.finish(arrays, train=["c/a"])
    assert (
        store.dtype == "uint8"
        and store.record_bytes == 4 + 144
        and store.path("c/a").stat().length == 6 * 148
    )
    for name, array in arrays.items():
        features = store.read(name, 2, 5)
        assert features.dtype == np.float16 and np.abs(features - array[2:5]).max() < 0.01
    assert store.std == pytest.approx(store.read("c/a").astype(np.float64).std(), rel=1e-9)
    store.verify()
    with pytest.raises(FileError, match="dtype is uint8; these features have float16"):
        FeatureWriter(tmp_path, (3, 3, 16), ABOUT)
    with pytest.raises(FileError, match=r"d\.u8: features of c/d go down to -1\.0"):
        FeatureWriter(tmp_path, (3, 3, 16), ABOUT, dtype="uint8").write(
            "c/d", np.full((1, 3, 3, 16), -1)
        )


def test_workers_share_a_folder_and_the_last_finishes_it(tmp_path):
    names = [f"c{at % 2}/v{at}" for at in range(7)]
    lone = FeatureWriter(tmp_path / "lone", (4,), ABOUT)
    for at, name in enumerate(names):
        lone.write(name, values(at, 3, (4,)))
    lone.finish(names, train=names[:3])
    workers = [FeatureWriter(tmp_path / "many", (4,), ABOUT, worker=f"{at}of3") for at in range(3)]
    for at, name in enumerate(names):
        assert workers[at % 3].missing(names) == names[at:]
        workers[at % 3].write(name, values(at, 3, (4,)))
    (tmp_path / "many" / "c0" / ".v0.f16.part-0123").write_bytes(b"of a writer that was killed")
    late = FeatureWriter(tmp_path / "many", (4,), ABOUT, worker="3of4")
    assert late.missing(names) == []
    for worker in (
        workers[1],
        late,
        workers[0],
    ):  # whoever comes, in whatever order, to the same bytes
        worker.finish(names, train=names[:3])
        assert files(tmp_path / "many") == files(tmp_path / "lone")
    for name in files(tmp_path / "lone"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "lone" / name).read_bytes()


def test_names_that_look_like_patterns_are_names(tmp_path):
    folder = tmp_path / "[a]*?"
    FeatureWriter(folder, (4,), ABOUT, worker="1of2").write("[c]/b!", values(0, 2, (4,)))
    again = FeatureWriter(folder, (4,), ABOUT, worker="2of2")
    assert again.missing(["[c]/b!"]) == []
    assert again.finish(["[c]/b!"]).frames == {"[c]/b!": 2} and files(folder) == {
        "index.json",
        "[c]/b!.f16",
    }


def test_stores_from_before_moments_were_kept_are_read(tmp_path):
    arrays = written(tmp_path, a=3, b=50)
    statistics = FeatureStore.open(tmp_path).statistics(list(arrays))
    index = json.loads((tmp_path / "index.json").read_text())
    del index["moments"]
    write_json(tmp_path / "index.json", index)
    assert FeatureStore.open(tmp_path).statistics(list(arrays)) == statistics
    assert (
        FeatureWriter(tmp_path, (2, 2, 3), ABOUT).finish(arrays, train=list(arrays)).std
        == statistics[1]
    )


WORKER = """
import sys, time
import numpy as np
from videolstm_jax.features.writer import FeatureWriter
folder, first, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
writer = FeatureWriter(folder, (5, 5, 64), {"made": "up"}, worker=f"{first}of{step}")
names = [f"c{at % 3}/v{at}" for at in range(first, 60, step)]
left = writer.missing(names)
print(len(left), flush=True)
for name in left:
    time.sleep(0.03)  # on a busy machine all would be written before the kill
    writer.write(name, np.random.default_rng(int(name.split("v")[1])).normal(size=(20, 5, 5, 64)))
    print(name, flush=True)
"""


def test_processes_that_are_killed_lose_nothing_and_redo_nothing(tmp_path):
    """Two processes at a time are killed wherever they are, until all is written; bytes agree."""
    names = [f"c{at % 3}/v{at}" for at in range(60)]
    printed: list[str] = []
    for life in range(40):
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path / "store"), str(at), "2"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for at in range(2)
        ]
        for at, worker in enumerate(workers):
            worker.stdout.readline()  # it has begun
            for _ in range(4 + (5 * life + 3 * at) % 7):
                printed.append(worker.stdout.readline().strip())
            worker.kill()
            printed += worker.stdout.read().split()
            worker.wait()
        if not FeatureWriter(tmp_path / "store", (5, 5, 64), {"made": "up"}).missing(names):
            break
    assert life > 2
    finished = [name for name in printed if name]
    assert len(finished) == len(set(finished))  # what was reported as done was never done again
    store = FeatureWriter(tmp_path / "store", (5, 5, 64), {"made": "up"}).finish(names)
    store.verify()
    assert files(tmp_path / "store") == {"index.json", *(f"{name}.f16" for name in names)}
    for at, name in enumerate(names):
        expected = np.random.default_rng(at).normal(size=(20, 5, 5, 64))
        assert np.array_equal(store.read(name), expected.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize("out", [np.float16, np.float32])
def test_frames_are_read_to_where_they_are_wanted(tmp_path, dtype, out):
    writer = FeatureWriter(tmp_path, (2, 2, 3), ABOUT, dtype=dtype)
    writer.write("c/a", np.abs(values(0, 9)))
    store = writer.finish(["c/a"])
    for scale in (1.0, 0.3):
        for _ in range(2):  # the second time the file is known to be whole
            batch = np.full((2, 5, 2, 2, 3), -1, out)
            store.fill(batch[1, :4], "c/a", 3, scale=scale)
            expected = (store.read("c/a", 3, 7).astype(np.float32) * np.float32(scale)).astype(out)
            assert np.array_equal(batch[1, :4], expected)
            assert (batch[0] == -1).all() and (batch[1, 4] == -1).all()
    assert store.read("c/a", 9, 9).shape == (0, 2, 2, 3)
    for start in (6, -1, 9):
        with pytest.raises(FileError, match=f"frames {start} to {start + 4} asked for; it has 9"):
            store.fill(np.empty((4, 2, 2, 3), out), "c/a", start)


def test_a_file_that_is_cut_short_while_it_is_in_use_is_named(tmp_path):
    written(tmp_path, a=9)
    store = FeatureStore.open(tmp_path)
    store.read("c/a")
    store.path("c/a").write_bytes(store.path("c/a").read_bytes()[:100])
    with pytest.raises(
        FileError, match=r"a\.f16: gave 52 bytes for 3 frames; expected 72; it has been cut short"
    ):
        store.read("c/a", 2, 5)
    with pytest.raises(FileError, match="gave 52 bytes for 3 frames"):
        store.fill(np.empty((3, 2, 2, 3), np.float16), "c/a", 2)
