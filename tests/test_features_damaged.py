"""Values, names, files and indexes that a feature store refuses, and how the errors name them."""

import json

import numpy as np
import pytest
from feature_stores import ABOUT, written

from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import write_json


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
