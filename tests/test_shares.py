"""Every video is counted exactly once, for any number of processes, batch and list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.cluster.shares import gather_rows, gathered_rows_in_order, share_of
from videolstm_jax.errors import FileError


@settings(max_examples=400)
@given(count=st.integers(1, 40), batch=st.integers(1, 17), videos=st.integers(0, 120))
def test_every_video_is_counted_once(count, batch, videos):
    names = [f"v{number}" for number in range(videos)]
    parts, rows = [], 0
    for index in range(count):
        own = share_of(names, index, count)
        part = {}
        # As scoring reads its share: batch after batch, the last one filled up.
        for start in range(0, len(own), batch):
            for name in own[start : start + batch]:
                part[name] = int(name[1:])
                rows += 1
        parts.append(part)
    assert gathered_rows_in_order(names, parts) == list(range(videos)) and rows == videos
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    "parts, words",
    [
        ([{"a": 1}, {"a": 2, "b": 3}], "a was scored by two processes, the second is 1"),
        ([{"a": 1}, {}], "b was scored by no process"),
        ([{"a": 1}, {"b": 2, "c": 3}], "c was scored, and is not in the list"),
    ],
)
def test_a_video_counted_otherwise_is_named(parts, words):
    with pytest.raises(FileError, match=words):
        gathered_rows_in_order(["a", "b"], parts)


def test_rows_of_one_process_come_in_the_order_of_the_list():
    own = {"b": np.arange(3.0), "a": np.ones(3)}
    np.testing.assert_array_equal(gather_rows("x", ["a", "b"], own), [np.ones(3), np.arange(3.0)])
