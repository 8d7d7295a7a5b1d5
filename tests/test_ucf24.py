"""The reader of corrected UCF101-24 tubes: what it reads, and that it executes nothing."""

import pickle

import numpy as np
import pytest

from videolstm_jax.data.ucf24 import BadAnnotations, read_ucf24


def test_reads_every_tube(real_data):
    annotated = read_ucf24(real_data / "ucf24_annots" / "pyannot.pkl")
    assert (len(annotated.frames), len(annotated.truth)) == (3194, 4458)
    assert {one.label for one in annotated.truth} == set(range(24))
    boxes = np.concatenate([one.tube.boxes for one in annotated.truth])
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all() and (boxes <= [320, 240, 320, 240]).all()
    assert all(one.tube.start + len(one.tube.boxes) <= annotated.frames[one.video] for one in annotated.truth)
    dunk = [one.tube for one in annotated.truth if one.video == "BasketballDunk/v_BasketballDunk_g17_c03"]
    assert [(one.start, one.start + len(one.boxes)) for one in dunk] == [(16, 56)]  # frames 17 to 56, from 1


class Stranger:
    """Pickles to a call of a harmless function that an unrestricted unpickler would make."""

    def __reduce__(self):
        return sorted, ([2, 1],)


@pytest.mark.parametrize("content", [pickle.dumps(Stranger()), pickle.dumps({"a": {"numf": 3}}), pickle.dumps([1, 2]),
                                     b"not a pickle", b"",
                                     pickle.dumps({"a": {"numf": 2, "annotations": [
                                         {"label": 0, "sf": 0, "ef": 2, "boxes": np.ones((1, 4), np.uint8)}]}}),
                                     pickle.dumps({"a": {"numf": 2, "annotations": [
                                         {"label": 0, "sf": 0, "ef": 1, "boxes": np.array([[{}] * 4], object)}]}})])
def test_refuses(tmp_path, content):
    path = tmp_path / "annotations.pkl"
    path.write_bytes(content)
    with pytest.raises(BadAnnotations, match=r"annotations\.pkl: "):
        read_ucf24(path)
