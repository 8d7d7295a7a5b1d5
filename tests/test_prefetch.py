"""Iterators that run ahead: the same items, errors in their place, no thread left over."""

import threading

import pytest

from videolstm_jax.clips.prefetch import prefetched_batches


def test_prefetch_yields_the_same_items():
    assert list(prefetched_batches(iter(range(50)), 3)) == list(range(50))
    assert list(prefetched_batches(iter([]))) == []


def test_prefetch_passes_errors_on_behind_what_came_before():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = prefetched_batches(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_prefetch_ends_its_thread_when_dropped():
    def forever():
        while True:
            yield 0

    before = threading.active_count()
    ahead = prefetched_batches(forever())
    next(ahead)
    assert threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before
