"""Every test video is scored exactly once, for any number of hosts, batch and list size."""

import types

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.cluster.shares import gathered_rows_in_order, share_of
from videolstm_jax.config import DataConfig, EvalConfig
from videolstm_jax.measure.scores import video_scores
from videolstm_jax.trained.features import ModelFeatures
from videolstm_jax.trained.scoring import segment_scores, whole_videos
from videolstm_jax.types import Output, Video, names_of

CLASSES, FRAMES = 3, 4


class NumberedStore:
    """Features in memory: the numbers of the video and of the frame, and a count of readings."""

    folder, shape = "memory", (2,)

    def __init__(self, lengths):
        self.frames = {f"v{number}": length for number, length in enumerate(lengths)}

    def check_sizes(self, names):
        assert set(names) <= self.frames.keys()

    def fill(self, rows, name, start):
        frames = np.arange(start, start + len(rows))
        assert start + len(rows) <= self.frames[name]
        numbers = np.full(len(rows), float(name[1:]))
        rows.reshape(len(rows), 2)[:] = np.stack([numbers, frames], 1)


def logits_of(x):
    """[.., 2] numbers of video and frame -> logits [.., C], which no two videos share."""
    video, frame = x[..., 0], x[..., 1]
    return np.stack([np.cos(video), np.sin(video), 0.01 * frame], -1).astype(np.float32)


class NumberedModel:
    """A model whose scores name the video; it stands for a network, so that nothing compiles."""

    params = None

    def __init__(self):
        self.functions = types.SimpleNamespace(
            read=lambda params, clip: clip,
            logits=self._logits,
            chunk=self._chunk,
            begin=lambda params, clip: None,
        )

    def _logits(self, params, clip):
        # [B, T, 1, 1, 2]
        return logits_of(clip.inputs.x[:, :, 0, 0])

    def _chunk(self, params, clip, carry):
        return Output(self._logits(params, clip), None, carry)


def listed_videos(store):
    """The test videos of a store, in its order."""
    return [Video(name, "", 0, "test", "", 9, 8, 8, 25.0) for name in store.frames]


@settings(max_examples=150)
@given(
    lengths=st.lists(st.integers(1, 11), min_size=1, max_size=24),
    count=st.integers(1, 12),
    batch=st.integers(1, 9),
    segments=st.integers(1, 6),
)
def test_scores_are_those_of_one_video_at_a_time(lengths, count, batch, segments):
    store = NumberedStore(lengths)
    videos = listed_videos(store)
    features, model = ModelFeatures(store), NumberedModel()
    data = DataConfig(frames=FRAMES)

    def scored(own, batch):
        own_settings = EvalConfig(segments=segments, batch=batch, chunk=5)
        return dict(
            zip(
                names_of(own),
                segment_scores(model, features, own, data, own_settings),
                strict=True,
            )
        )

    parts = [scored(share_of(videos, index, count), batch) for index in range(count)]
    scores = gathered_rows_in_order(names_of(videos), parts)
    alone = {}
    for video in videos:
        alone |= scored([video], 1)
    # Equal to the bit: no row of another video, and none that only fills a batch, is counted.
    np.testing.assert_array_equal(scores, [alone[video.name] for video in videos])
    assert sum(map(len, parts)) == len(videos)


@settings(max_examples=150)
@given(
    lengths=st.lists(st.integers(1, 23), min_size=1, max_size=24),
    count=st.integers(1, 12),
    batch=st.integers(1, 9),
    chunk=st.integers(1, 9),
)
def test_every_frame_of_whole_videos_is_scored_once(lengths, count, batch, chunk):
    store = NumberedStore(lengths)
    videos = listed_videos(store)
    parts = []
    for index in range(count):
        own, part = share_of(videos, index, count), {}
        if own:
            own_settings = EvalConfig(batch=batch, chunk=chunk)
            for whole in whole_videos(NumberedModel(), ModelFeatures(store), own, own_settings):
                assert whole.video.name not in part
                part[whole.video.name] = whole.scores
        parts.append(part)
    for number, scores in enumerate(gathered_rows_in_order(names_of(videos), parts)):
        frames = np.stack([np.full(lengths[number], float(number)), np.arange(lengths[number])], 1)
        expected = video_frame_scores(frames.astype(np.float32))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-7)


def video_frame_scores(frames):
    """The softmax of each frame by itself, as a score of a video of one frame."""
    rows = []
    for frame in frames:
        logits = logits_of(frame)[None, None]
        rows.append(video_scores(logits, np.ones((1, 1), bool)))
    return np.array(rows)
