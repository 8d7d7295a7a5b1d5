"""The lists that UCF101 and HMDB51 were published with: where they lie, and whether they are whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.annotations import ucf24
from videolstm_jax.dataset import lists
from videolstm_jax.dataset.lists import Row
from videolstm_jax.errors import FileError

FOLDERS = (
    "ucfTrainTestlist",
    "testTrainMulti_7030_splits",
    "hmdb51_testTrainMulti_7030_splits",
    "splitfiles",
)
"""What the archives of the lists unpack to: UCF101's, HMDB51's and its mirrors', the corrected
UCF101-24's.
"""
CLASSES = {"ucf101_24": ucf24.CLASSES}
"""What one word in `data.classes` stands for."""


class Lists(NamedTuple):
    """The rows of one split, the folder they were read from, and its classInd.txt, None where it
    has none.
    """

    folder: epath.Path
    index: epath.Path | None
    train: list[Row]
    test: list[Row]
    unused: list[Row]

    def only(self, classes: Collection[str]) -> Lists:
        """The rows of these classes, in whatever case."""
        known = {name.casefold() for name in classes}
        return self._replace(
            **{
                part: [row for row in getattr(self, part) if _label(row).casefold() in known]
                for part in ("train", "test", "unused")
            }
        )


class Published(NamedTuple):
    """How many videos the lists of a set have, in each of its splits; `first` and `last` of its
    sorted classes.
    """

    name: str
    classes: int
    first: str
    last: str
    train: tuple[int, ...]
    test: tuple[int, ...]


PUBLISHED = (
    Published("UCF101", 101, "ApplyEyeMakeup", "YoYo", (9537, 9586, 9624), (3783, 3734, 3696)),
    Published("HMDB51", 51, "brush_hair", "wave", (3570,) * 3, (1530,) * 3),
    Published(
        "UCF101-24 (THUMOS13)",
        24,
        "Basketball",
        "WalkingWithDog",
        (2293, 2306, 2306),
        (914, 901, 901),
    ),
    Published(
        "UCF101-24 (tested on corrected boxes)", 24, "Basketball", "WalkingWithDog", (2293,), (910,)
    ),
    Published("UCF101-24 (corrected boxes)", 24, "Basketball", "WalkingWithDog", (2284,), (910,)),
)


def read(root: epath.Path, labels: Collection[str], split: int, *, given: str = "") -> Lists | None:
    """Reads the official lists of a folder of videos; None where there are none.

    They lie in the folder itself, or in or beside it in a folder of `FOLDERS` that knows most of
    the classes: HMDB51's lists may lie beside UCF101's videos.

    Args:
      root: the folder of videos.
      labels: the classes found there.
      split: which of the splits, from 1.
      given: the folder of the lists, where it was said.

    Raises:
      FileError: no lists in `given`, not those of this split, or a line that cannot be read.
    """
    if given:
        folder = epath.Path(given)
        if not folder.is_dir() or not _has_lists(folder):
            raise FileError(
                f"data.lists is {given}: expected a folder with trainlist0N.txt and testlist0N.txt, or "
                "with a file <class>_test_splitN.txt for each class"
            )
    else:
        beside = [place / name for place in (root, root.parent) for name in FOLDERS]
        near = (
            place
            for place in beside
            if place.is_dir() and _has_lists(place) and _knows(place, labels)
        )
        folder = root if _has_lists(root) else next(near, None)
    found = lists.read_official(folder, split) if folder else None
    if not found:
        return None
    index = folder / "classInd.txt"
    return Lists(
        folder, index if index.exists() else None, *found, lists.read_unused(folder, split)
    )


def chosen(wanted: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes asked for, in the order that the set has them; all where none is asked for.

    Args:
      wanted: names of classes, or words of `CLASSES`.
      classes: of the set.

    Raises:
      FileError: a class that the set lacks.
    """
    if not wanted:
        return tuple(classes)
    names = {name for word in wanted for name in CLASSES.get(word, (word,))}
    unknown = sorted(names - set(classes))
    if unknown:
        raise FileError(
            f"data.classes names {', '.join(unknown[:8])}; expected some of the {len(classes)} classes "
            f"there are, such as {', '.join(classes[:8])}, or {', '.join(CLASSES)}"
        )
    return tuple(name for name in classes if name in names)


def published(classes: Collection[str], split: int, train: int, test: int) -> tuple[str, str]:
    """Which published set lists of these classes are of, and what is wrong with their length; empty
    where nothing is.

    Args:
      classes: of the set.
      split: from 1.
      train: how many videos the training list has.
      test: how many the test list has.
    """
    ends = len(classes), min(classes, default=""), max(classes, default="")
    known = [
        one
        for one in PUBLISHED
        if (one.classes, one.first, one.last) == ends and split <= len(one.train)
    ]
    for one in known:
        if (one.train[split - 1], one.test[split - 1]) == (train, test):
            return one.name, ""
    if not known:
        return "", ""
    one = known[0]
    return one.name, (
        f"split {split} has {train} videos to train and {test} to test on; {one.name} was published with "
        f"{one.train[split - 1]} and {one.test[split - 1]}"
    )


def _has_lists(folder: epath.Path) -> bool:
    return any(lists.is_official(path.name) for path in folder.iterdir())


def _knows(folder: epath.Path, labels: Collection[str]) -> bool:
    """Whether at least half of the classes are classes of these lists."""
    known = {name.casefold() for name in _classes(folder)}
    return 2 * sum(label.casefold() in known for label in labels) >= len(labels)


def _classes(folder: epath.Path) -> set[str]:
    index = folder / "classInd.txt"
    if index.exists():
        return set(lists.read_classes(index))
    files = [path for path in folder.iterdir() if lists.is_official(path.name)]
    by_class = {
        path.name.rsplit("_test_split", 1)[0] for path in files if "_test_split" in path.name
    }
    return by_class or {_label(row) for path in files for row in lists.read_list(path)}


def _label(row: Row) -> str:
    return row.name.split("/")[0]
