"""The parts of a pool of work folders, and the names that their test videos have in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from videolstm_jax.errors import FileError
from videolstm_jax.types import names_of
from videolstm_jax.workdir.dataset_json import load_dataset

if TYPE_CHECKING:
    from videolstm_jax.types import Dataset, Video
    from videolstm_jax.workdir.layout import Workdir


class PoolPart(NamedTuple):
    """One work folder of a pool.

    `pooled_names` has the name in the pool of each of its test videos. `is_renamed` is whether
    these differ from the names in the part.
    """

    name: str
    work: Workdir
    dataset: Dataset
    pooled_names: Mapping[str, str]
    is_renamed: bool

    def pooled(self, video: str) -> str:
        """The name in the pool of a video of this part, be it one that is in no list."""
        if self.is_renamed:
            return _with_part(video, self.name)
        return video


def read_pool_parts(
    works: Sequence[Workdir], parts: Sequence[str], folder: object
) -> list[PoolPart]:
    """Reads the data sets of the parts, which must have the same classes.

    Args:
      works: the work folder of each part.
      parts: their names.
      folder: where they lie, for the message.

    Raises:
      FileError: a part has no data set, or other classes than the first.
    """
    datasets, tests = [], []
    for work in works:
        dataset = load_dataset(work.dataset)
        datasets.append(dataset)
        tests.append(dataset.part("test"))
        if dataset.classes != datasets[0].classes:
            raise FileError(
                f"{folder}: the parts {', '.join(parts)} have different classes; expected the same"
            )
    # Held-out groups share no test videos, so names stay. Seeds share all: each gets the part's
    # name.
    is_renamed = _share_videos(tests)
    members = []
    for part, work, dataset, test in zip(parts, works, datasets, tests, strict=True):
        # Without names at first: they are made by the part itself.
        member = PoolPart(part, work, dataset, {}, is_renamed)
        pooled_names = {}
        for video in test:
            pooled_names[video.name] = member.pooled(video.name)
        members.append(member._replace(pooled_names=pooled_names))
    return members


def _share_videos(tests: Sequence[Sequence[Video]]) -> bool:
    """Whether two test lists have a video of the same name."""
    names: set[str] = set()
    count = 0
    for videos in tests:
        names.update(names_of(videos))
        count += len(videos)
    return len(names) < count


def _with_part(name: str, part: str) -> str:
    # The class stays the folder of the video, since other files are named so.
    label, stem = name.split("/", 1)
    return f"{label}/{part}_{stem}"
