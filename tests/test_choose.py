"""Which test videos are shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax.report import choose
from videolstm_jax.types import Detection, Tube


@given(st.data(), st.integers(0, 12))
def test_as_many_as_asked_for_none_twice(data, count):
    videos, classes = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 6))
    some = st.lists(st.integers(0, classes - 1), min_size=videos, max_size=videos)
    label, predicted = (np.array(data.draw(some), int) for _ in range(2))
    sure = np.random.default_rng(videos).uniform(size=videos)
    picked = choose.choose_page_videos(label, predicted, sure, count)
    assert len(picked) == len(set(picked)) == min(count, videos)
    if count >= 2 * classes:
        assert {label[v] for v in picked} == set(label.tolist())
    wrong = int((label != predicted).sum())
    if videos - wrong >= count:
        assert sum(label[v] != predicted[v] for v in picked) <= max(1, count // 3) + classes


def test_every_class_is_shown_and_mistakes_are_the_surest():
    label = np.repeat([0, 1, 2], 6)
    predicted = label.copy()
    predicted[[1, 2]] = 1  # two mistakes of class 0
    sure = np.linspace(0.4, 0.9, 18)
    picked = choose.choose_page_videos(label, predicted, sure, 6)
    assert {label[v] for v in picked} == {0, 1, 2}
    assert 2 in picked, "the surer of the two mistakes"
    assert [label[v] for v in picked] == sorted(label[v] for v in picked)


def test_mistakes_fill_the_places_that_right_answers_leave():
    label, predicted = np.repeat([0, 1], 6), np.array([0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    picked = choose.choose_page_videos(label, predicted, np.linspace(0.4, 0.9, 12), 6)
    assert sum(label[v] != predicted[v] for v in picked) == 4
    assert (
        "up to a third are mistakes, more where there are not enough right answers" in choose.RULE
    )


def test_all_tubes_of_the_best_class_the_best_first():
    first, second, third = (Tube(start, np.tile([0.0, 0, 5, 5], (3, 1))) for start in (0, 2, 4))
    detections = [
        Detection("a", 0, 0.2, first),
        Detection("a", 1, 0.3, first),
        Detection("a", 0, 0.05, second),
        Detection("a", 1, 0.6, third),
        Detection("b", 0, 0.1, second),
    ]
    tubes = choose.shown_tubes_of_best_class(detections)
    assert [tube.start for tube in tubes["a"]] == [4, 0] and [
        tube.start for tube in tubes["b"]
    ] == [2]
