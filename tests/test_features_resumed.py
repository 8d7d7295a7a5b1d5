"""A feature store that is written in parts: after kills, by several workers, and once more."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from feature_stores import ABOUT, files, values, written

from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter

ROOT = pathlib.Path(__file__).parents[1]


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


@pytest.mark.slow
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
