"""The task of true tubes on real clips: the folder of links and its lists."""

import pytest

from benchmarks.real_data import ucf24_tubes
from videolstm_jax.errors import FileError


def test_four_clips_are_linked_with_their_lists(tmp_path):
    for name in (*ucf24_tubes.TRAIN, *ucf24_tubes.TEST):
        path = tmp_path / "data" / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip")
    folder = ucf24_tubes.linked_clips(tmp_path / "data", tmp_path / "clips")
    assert (folder / "classInd.txt").read_text().splitlines() == [
        "1 Basketball",
        "2 BasketballDunk",
        "3 SoccerJuggling",
    ]
    assert (
        "SoccerJuggling/v_SoccerJuggling_g24_c01.avi 3" in (folder / "trainlist01.txt").read_text()
    )
    for name in ucf24_tubes.TEST:
        assert f"{name}.avi" in (folder / "testlist01.txt").read_text()
        assert (folder / f"{name}.avi").read_bytes() == b"clip"


def test_a_missing_clip_is_named(tmp_path):
    with pytest.raises(FileError, match=r"v_Basketball_g01_c01\.avi"):
        ucf24_tubes.linked_clips(tmp_path, tmp_path / "clips")
