"""The corrected UCF101-24 tubes: both files agree, no byte overflows, nothing is executed."""

import pickle

import numpy as np
import pytest
from scipy import io as scipy_io

from videolstm_jax.annotations import ucf24
from videolstm_jax.annotations.compare import compare_ground_truth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.errors import FileError


@pytest.fixture(scope="module")
def annotated(real_data):
    return read_truth(real_data / "ucf24_annots" / "pyannot.pkl")


@pytest.fixture(scope="module")
def from_matlab(real_data):
    return read_truth(real_data / "ucf24_annots" / "finalAnnots.mat")


def test_reads_every_tube(annotated):
    assert (len(annotated.frames), len(annotated.tubes)) == (3194, 4458)
    assert {detection.label for detection in annotated.tubes} == set(range(24))
    boxes = np.concatenate([detection.tube.boxes for detection in annotated.tubes])
    assert (
        (boxes[:, 2:] > boxes[:, :2]).all()
        and (boxes >= 0).all()
        and (boxes <= [320, 240, 320, 240]).all()
    )
    assert all(
        detection.tube.start + len(detection.tube.boxes) <= annotated.frames[detection.video]
        for detection in annotated.tubes
    )
    dunk = [
        detection.tube
        for detection in annotated.tubes
        if detection.video == "BasketballDunk/v_BasketballDunk_g17_c03"
    ]
    assert [(detection.start, detection.start + len(detection.boxes)) for detection in dunk] == [
        (16, 56)
    ]  # frames 17 to 56, from 1


def test_both_files_agree_tube_by_tube(annotated, from_matlab):
    assert compare_ground_truth(annotated, from_matlab) == []
    assert (len(from_matlab.frames), len(from_matlab.tubes)) == (3194, 4458)
    assert annotated.classes == from_matlab.classes == ucf24.UCF24_CLASSES


def test_offsets_and_ends_against_the_raw_matlab_file(real_data, from_matlab):
    """`sf` and `ef` count from 1, `ef` is inclusive; x + w passes 255 in many one-byte boxes."""
    raw = scipy_io.loadmat(real_data / "ucf24_annots" / "finalAnnots.mat")["annot"][0]
    tubes: dict[str, list] = {}
    for detection in from_matlab.tubes:
        tubes.setdefault(detection.video, []).append(detection)
    overflown = 0
    for entry in raw:
        name = str(entry["name"][0])
        spans = [
            (int(tube["sf"][0, 0]) - 1, int(tube["ef"][0, 0]), int(tube["class"][0, 0]) - 1)
            for tube in entry["tubes"][0]
        ]
        assert sorted(spans) == sorted(
            (
                detection.tube.start,
                detection.tube.start + len(detection.tube.boxes),
                detection.label,
            )
            for detection in tubes[name]
        )
        for tube in entry["tubes"][0]:
            box = tube["boxes"]
            ends = box[:, :2].astype(int) + box[:, 2:].astype(int)
            overflown += box.dtype == np.uint8 and bool((ends > 255).any())
            (same,) = [
                detection
                for detection in tubes[name]
                if detection.tube.start == tube["sf"][0, 0] - 1
                and len(detection.tube.boxes) == len(box)
                and (detection.tube.boxes[:, :2] == box[:, :2]).all()
            ][:1]
            np.testing.assert_array_equal(same.tube.boxes[:, 2:], ends)
    assert overflown > 1000


def test_one_byte_does_not_overflow(tmp_path):
    box = np.array([[200, 100, 100, 80]], np.uint8)
    name = "Biking/v_Biking_g01_c01"
    pickled = {
        name: {"numf": 9, "label": 2, "annotations": [{"label": 2, "sf": 3, "ef": 4, "boxes": box}]}
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(pickled))
    tube = {"sf": np.uint8(4), "ef": np.uint8(4), "class": np.uint8(3), "boxes": box}
    scipy_io.savemat(
        tmp_path / "a.mat", {"annot": [{"name": name, "num_imgs": np.uint8(9), "tubes": [tube]}]}
    )
    from_pickle, from_mat = read_truth(tmp_path / "a.pkl"), read_truth(tmp_path / "a.mat")
    assert (
        from_pickle.tubes[0].tube.boxes.tolist() == [[200, 100, 300, 180]]
        and from_pickle.tubes[0].tube.start == 3
    )
    assert compare_ground_truth(from_pickle, from_mat) == []


def entry(**changed):
    tube = {"label": 2, "sf": 0, "ef": 1, "boxes": np.array([[1, 1, 9, 9]], np.uint8), **changed}
    return pickle.dumps({"Biking/v": {"numf": 2, "annotations": [tube]}})


class Stranger:
    """Pickles to a call of a harmless function that an unrestricted unpickler would make."""

    def __reduce__(self):
        return sorted, ([2, 1],)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Stranger()), r"asks for (__builtin__|builtins)\.sorted"),
        (pickle.dumps({"a": {"numf": 3}}), "KeyError: 'annotations'"),
        (pickle.dumps([1, 2]), "AttributeError"),
        (b"not a pickle", "not a whole pickle"),
        (b"", "not a whole pickle"),
        (entry()[:-20], "not a whole pickle"),
        (entry(ef=2), r"boxes \[1, 4\]; expected \[2, 4\] numbers"),
        (entry(boxes=np.array([[{}] * 4], object)), "values of type 'O8'"),
        (entry(boxes=np.array([["a"] * 4])), "expected"),
        (entry(boxes=np.array([[1, 1, 0, 9]])), "is inverted or empty"),
        (entry(boxes=np.array([[300, 1, 21, 9]])), "leaves the frame of 320 x 240"),
        (entry(boxes=np.array([[np.nan, 1, 21, 9]])), "is not finite"),
        (entry(sf=2, ef=3), "goes from frame 2 to 2; expected frames 0 to 1"),
        (entry(sf=-1, ef=0), "goes from frame -1"),
        (entry(label=3), "has label 3, CliffDiving"),
        (entry(label=24), "has label 24; expected 0 to 23"),
        (entry(ef=float("inf")), "OverflowError: cannot convert"),
    ],
)
def test_refuses(tmp_path, content, message):
    path = tmp_path / "annotations.pkl"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"annotations\.pkl: .*" + message):
        read_truth(path)


def test_a_matlab_file_that_is_cut_or_of_another_kind(tmp_path, real_data):
    content = (real_data / "ucf24_annots" / "finalAnnots.mat").read_bytes()
    path = tmp_path / "annotations.mat"
    for length in (0, 3, 64, 127, 128, 140, 5_000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(FileError, match=r"annotations\.mat: "):
            read_truth(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(512))
    with pytest.raises(FileError, match=r"7\.3 file \(HDF5\); expected an older one"):
        read_truth(path)
    scipy_io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(FileError, match="not the corrected UCF101-24 annotations"):
        read_truth(path)
