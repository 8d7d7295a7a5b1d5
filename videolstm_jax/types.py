"""The records that cross layers, and the shape letters they are written in.

Letters: B batch, T frames in a clip, L frames in a video, N map side (1 for a vector), D depth of
x, M and E side and depth of the motion map, K hidden channels, A attention channels, C classes, V
videos, S segments, H and W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from videolstm_jax.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jax
    import numpy as np

    Array: TypeAlias = jax.Array
    NDArray: TypeAlias = np.ndarray

Stream = Literal["rgb", "flow"]
Layer = Literal["pool5", "fc7", "logits"]
# The side that a picture shows: as it was filmed, or with left and right exchanged.
View = Literal["filmed", "mirrored"]
Part = Literal["train", "valid", "test", "unused"]
# "unused" is for videos that a published list leaves out.
PARTS: tuple[Part, ...] = get_args(Part)
PyTree: TypeAlias = Any


# ---- inputs and outputs of the core --------------------------------------------------------------


class Inputs(NamedTuple):
    """The inputs of one cell.

    `x` is [.., N, N, D], of either stream; `motion` is [.., M, M, E], or None for a cell that reads
    no motion.
    """

    x: Array
    motion: Array | None = None


class Clip(NamedTuple):
    """A batch of clips: `inputs` [B, T, ..] and `mask` [B, T], true where the frame exists."""

    inputs: Inputs
    mask: Array


class Batch(NamedTuple):
    """Clips with their labels.

    `label` is [B] int32; `weight` is [B] float32, 0 for the rows that only fill the batch.
    """

    clip: Clip
    label: Array
    weight: Array


class LSTMState(NamedTuple):
    """`cell` C_t and `hidden` H_t, both [B, N, N, K]."""

    cell: Array
    hidden: Array


class Carry(NamedTuple):
    """The states of the top LSTM and, for the motion cells, of the motion LSTM."""

    top: LSTMState
    motion: LSTMState | None = None


class CellOut(NamedTuple):
    """What a cell returns for one frame.

    `hidden` is H_t [B, N', N', K]; `attention` is A_t [B, N, N], which sums to one, or None for a
    cell without.
    """

    hidden: Array
    attention: Array | None = None


class Output(NamedTuple):
    """`logits` [B, T, C], `attention` [B, T, N, N] or None, and the carry after the last frame."""

    logits: Array
    attention: Array | None
    carry: Carry


# ---- parameters ----------------------------------------------------------------------------------


class LSTMParams(NamedTuple):
    """Kernels of one LSTM in the gate order i, f, o, g, Eqs. (1)-(6).

    `x` [k, k, D, 4K] reads the input map, `hidden` [k, k, K, 4K] the layer's own H_{t-1}, `bias` is
    [4K]; `above` [k, k, K, 4K] is W_e of the motion LSTM, Eqs. (10)-(15), and None in every other
    LSTM.
    """

    x: Array
    hidden: Array
    bias: Array
    above: Array | None = None


class AttentionParams(NamedTuple):
    """The attention of Eqs. (7)-(8).

    `x` is W_xa [D, A], `hidden` is W_ha [K, A], `bias` is b_a [A], and `score` is W_z [A].
    """

    x: Array
    hidden: Array
    bias: Array
    score: Array


class CellParams(NamedTuple):
    """The three parameter groups of the family; a cell leaves the groups that it lacks None."""

    top: LSTMParams
    attend: AttentionParams | None = None
    motion: LSTMParams | None = None


class StartParams(NamedTuple):
    """Kernels [k, k, D, K] that make the first state from the mean input over time.

    C_0 = tanh(W * mean), and so for H_0.
    """

    cell: Array
    hidden: Array


class HeadParams(NamedTuple):
    """The classifier of every frame, with F units in the layer before the softmax.

    `dense` is [N' N' K, F], `dense_bias` [F], `classes` [F, C] and `classes_bias` [C].
    """

    dense: Array
    dense_bias: Array
    classes: Array
    classes_bias: Array


class Params(NamedTuple):
    """Everything a model learns.

    `start` is None when the carry starts at zero, else (top, motion or None).
    """

    cell: CellParams
    start: tuple[StartParams, StartParams | None] | None
    head: HeadParams


class JointParams(NamedTuple):
    """`Params` of a model that trains the upper part of a backbone together with its cell.

    `block` has the parameters of that part as the backbone has them, {layer: {part: array}}.
    """

    cell: CellParams
    start: tuple[StartParams, StartParams | None] | None
    head: HeadParams
    block: PyTree


class TrainState(NamedTuple):
    """All that training must not lose: `step` () int32, `params`, `opt_state`; arrays only."""

    step: Array
    params: PyTree
    opt_state: PyTree


# ---- records on disk -----------------------------------------------------------------------------


class Video(NamedTuple):
    """One listed video.

    `name` is "Class/stem" and unique, `frames` is L, `width` and `height` are pixels as displayed.
    """

    name: str
    path: str
    label: int
    part: Part
    group: str
    frames: int
    width: int
    height: int
    fps: float


def names_of(videos: Iterable[Video]) -> tuple[str, ...]:
    """The names of videos, in their order."""
    return tuple(video.name for video in videos)


class Dataset(NamedTuple):
    """The C class names and the listed videos, in the order of their names."""

    classes: tuple[str, ...]
    videos: tuple[Video, ...]

    @property
    def frames(self) -> dict[str, int]:
        """L of each video, by its name."""
        return {video.name: video.frames for video in self.videos}

    def part(self, name: Part) -> tuple[Video, ...]:
        """The videos of one part, such as the test list, in order.

        Raises:
          FileError: no video belongs to this part.
        """
        # Checked here, once: every stage that needs a part needs at least one video of it.
        videos = self.listed(name)
        if not videos:
            raise FileError(
                f"the data set lists no videos of the part {name!r}; expected at least one; the "
                "stage prepare assigns videos to parts"
            )
        return videos

    def listed(self, name: Part) -> tuple[Video, ...]:
        """The videos of one part, in order; empty where no video belongs to it."""
        return tuple(video for video in self.videos if video.part == name)


class Scores(NamedTuple):
    """Class scores of V videos.

    `videos` are V names, `scores` [V, C] rows that sum to 1, `label` is [V], `classes` are C names.
    `trained` [V] marks the videos that the model was trained on, where it may have been; None is
    none. `part` is the list that the videos are of.
    """

    videos: tuple[str, ...]
    scores: NDArray
    label: NDArray
    classes: tuple[str, ...]
    trained: NDArray | None = None
    part: Part = "test"


class Tube(NamedTuple):
    """Boxes of consecutive frames.

    `start` is the number of the first frame, `boxes` [n, 4] are x0 y0 x1 y1 in pixels, half open.
    """

    start: int
    boxes: NDArray


class Detection(NamedTuple):
    """A tube with a class. Ground truth is written in the same record, with score 1."""

    video: str
    label: int
    score: float
    tube: Tube
