"""Finds the lists that UCF101 and HMDB51 were published with, and checks that they are complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.annotations import ucf24
from videolstm_jax.dataset.lists import list_files
from videolstm_jax.dataset.lists.list_files import ListRow
from videolstm_jax.errors import FileError

# The folders that the archives of lists unpack to: UCF101's, HMDB51's, that of HMDB51's mirrors,
# and that of the corrected UCF101-24.
LIST_FOLDERS = (
    "ucfTrainTestlist",
    "testTrainMulti_7030_splits",
    "hmdb51_testTrainMulti_7030_splits",
    "splitfiles",
)
# Sets of classes that `data.classes` can name by one word.
CLASS_SETS = {"ucf101_24": ucf24.UCF24_CLASSES}


class OfficialLists(NamedTuple):
    """The rows of one split and the folder they were read from.

    `index` is its classInd.txt, None where it has none; `unused` are videos that the lists name for
    neither part.
    """

    folder: epath.Path
    index: epath.Path | None
    train: list[ListRow]
    test: list[ListRow]
    unused: list[ListRow]

    def only(self, classes: Collection[str]) -> OfficialLists:
        """The rows of these classes; the case of letters does not matter."""
        return self._replace(
            train=_rows_of_classes(self.train, classes),
            test=_rows_of_classes(self.test, classes),
            unused=_rows_of_classes(self.unused, classes),
        )


class PublishedSet(NamedTuple):
    """How many videos the published lists of a set have, in each of its splits.

    `classes` is the number of classes; `first` and `last` are the ends of their sorted names.
    """

    name: str
    classes: int
    first: str
    last: str
    train: tuple[int, ...]
    test: tuple[int, ...]

    def lengths(self, split: int) -> tuple[int, int]:
        """How many videos one split has to train on and to test on; splits count from 1."""
        return self.train[split - 1], self.test[split - 1]


_UCF24 = (24, "Basketball", "WalkingWithDog")
PUBLISHED = (
    PublishedSet("UCF101", 101, "ApplyEyeMakeup", "YoYo", (9537, 9586, 9624), (3783, 3734, 3696)),
    PublishedSet("HMDB51", 51, "brush_hair", "wave", (3570,) * 3, (1530,) * 3),
    PublishedSet("UCF101-24 (THUMOS13)", *_UCF24, (2293, 2306, 2306), (914, 901, 901)),
    PublishedSet("UCF101-24 (tested on corrected boxes)", *_UCF24, (2293,), (910,)),
    PublishedSet("UCF101-24 (corrected boxes)", *_UCF24, (2284,), (910,)),
)


def find_official_lists(
    root: epath.Path, labels: Collection[str], split: int, *, folder: str = ""
) -> OfficialLists | None:
    """Reads the official lists of a folder of videos; None where there are none.

    They lie in the folder itself, or in or beside it in a folder of `LIST_FOLDERS`. Such a folder
    must contain most of the classes: HMDB51's lists may lie beside UCF101's videos.

    Args:
      root: the folder of videos.
      labels: the classes of the videos.
      split: which of the splits, from 1.
      folder: the folder of the lists, where the user names it.

    Raises:
      FileError: no lists in `folder`, not those of this split, or a line that cannot be read.
    """
    if folder:
        place = _named_list_folder(folder)
    else:
        place = _find_list_folder(root, labels)
    if place is None:
        return None
    rows = list_files.read_split_list(place, split)
    if rows is None:
        return None
    train, test = rows
    unused = list_files.read_unused_list(place, split)
    index = place / "classInd.txt"
    # HMDB51's lists have none: its classes count in the order of their names.
    return OfficialLists(place, index if index.exists() else None, train, test, unused)


def choose_dataset_classes(chosen: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The chosen classes in the order of the set; all where none is named.

    Args:
      chosen: names of classes, or of `CLASS_SETS`.
      classes: of the set.

    Raises:
      FileError: a class that the set lacks.
    """
    if not chosen:
        return tuple(classes)
    names: set[str] = set()
    for name in chosen:
        names.update(CLASS_SETS.get(name, (name,)))
    unknown = sorted(names - set(classes))
    if unknown:
        examples = ", ".join(classes[:8])
        raise FileError(
            f"data.classes names {', '.join(unknown[:8])}; expected some of the {len(classes)} "
            f"classes there are, such as {examples}, or {', '.join(CLASS_SETS)}"
        )
    # The order of the set: it numbers the classes, whatever the order on the command line is.
    return tuple(name for name in classes if name in names)


def compare_published_lists(
    classes: Collection[str], split: int, train: int, test: int
) -> tuple[str, str]:
    """Compares the lengths of lists with those of the published set that has these classes.

    Args:
      classes: of the set.
      split: from 1.
      train: how many videos the training list has.
      test: how many the test list has.

    Returns:
      The name of the set, empty where it is none of them, and what differs, empty where nothing
      does.
    """
    # The number of classes and two of their names tell the published sets apart.
    ends = len(classes), min(classes, default=""), max(classes, default="")
    same_classes = []
    for published in PUBLISHED:
        has_split = split <= len(published.train)
        if (published.classes, published.first, published.last) == ends and has_split:
            same_classes.append(published)
    if not same_classes:
        return "", ""
    # UCF101-24 was published with several lists, so any of them may fit.
    for published in same_classes:
        if published.lengths(split) == (train, test):
            return published.name, ""
    published = same_classes[0]
    published_train, published_test = published.lengths(split)
    return published.name, (
        f"split {split} has {train} videos to train and {test} to test on; {published.name} was "
        f"published with {published_train} and {published_test}"
    )


# ---- folders of lists ----------------------------------------------------------------------------


def _named_list_folder(folder: str) -> epath.Path:
    """The folder that the user names, which must hold lists."""
    place = epath.Path(folder)
    if not place.is_dir() or not _has_lists(place):
        raise FileError(
            f"data.lists is {folder}: expected a folder with trainlist0N.txt and "
            "testlist0N.txt, or with a file <class>_test_splitN.txt for each class"
        )
    return place


def _find_list_folder(root: epath.Path, labels: Collection[str]) -> epath.Path | None:
    """The folder of videos itself, or the first of `LIST_FOLDERS` in it or beside it that fits."""
    if _has_lists(root):
        return root
    for place in (root, root.parent):
        for name in LIST_FOLDERS:
            folder = place / name
            if folder.is_dir() and _has_lists(folder) and _knows(folder, labels):
                return folder
    return None


def _has_lists(folder: epath.Path) -> bool:
    return bool(_list_paths(folder))


def _list_paths(folder: epath.Path) -> list[epath.Path]:
    paths = []
    for path in folder.iterdir():
        if list_files.is_list_name(path.name):
            paths.append(path)
    return paths


def _knows(folder: epath.Path, labels: Collection[str]) -> bool:
    """Whether at least half of the labels are classes of these lists."""
    listed = set(map(str.casefold, _classes(folder)))
    shared = 0
    for label in labels:
        shared += label.casefold() in listed
    # Not all of them: one misspelled class would hide the lists, and a split of our own would
    # replace the published one in silence. So the lists are taken, and refuse that class.
    return 2 * shared >= len(labels)


def _classes(folder: epath.Path) -> set[str]:
    """The classes that the lists of a folder name, by the cheapest way there is."""
    index = folder / "classInd.txt"
    if index.exists():
        return set(list_files.read_class_list(index))
    paths = _list_paths(folder)
    classes = set()
    # HMDB51's files carry the class in their names, so none needs to be opened.
    for path in paths:
        if "_test_split" in path.name:
            classes.add(path.name.rsplit("_test_split", 1)[0])
    if classes:
        return classes
    for path in paths:
        classes.update(map(_label, list_files.read_video_list(path)))
    return classes


def _rows_of_classes(rows: Sequence[ListRow], classes: Collection[str]) -> list[ListRow]:
    # UCF101's lists write HandStandPushups, the folder of the class is HandstandPushups.
    folded = set(map(str.casefold, classes))
    chosen = []
    for row in rows:
        if _label(row).casefold() in folded:
            chosen.append(row)
    return chosen


def _label(row: ListRow) -> str:
    return row.name.split("/")[0]
