"""Reads lists of videos line by line, in the forms that UCF101 and HMDB51 were published with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from etils import epath

from videolstm_jax.dataset.folders.video_names import without_video_extension
from videolstm_jax.errors import FileError

# The numbers that HMDB51's lists give to a clip.
_HMDB51_UNUSED, _HMDB51_TRAIN, _HMDB51_TEST = 0, 1, 2


class ListWarning(UserWarning):
    """Something in a list that is usable, but rarely meant."""


class ListRow(NamedTuple):
    """A line of a train or test list.

    `name` is "Class/stem", `number` the class as it counts from 1 or None, `where` "file:line".
    """

    name: str
    number: int | None
    where: str


# ---- single files --------------------------------------------------------------------------------


def read_class_list(path: epath.Path) -> tuple[str, ...]:
    """Reads classInd.txt, lines "1 ApplyEyeMakeup" that count from 1.

    Raises:
      FileError: another form, numbers that skip or repeat, or a name twice.
    """
    names: list[str] = []
    for where, line in _read_list_lines(path):
        # At any white space, since some lists have tabs; a name may have blanks.
        fields = line.split(maxsplit=1)
        expected = len(names) + 1
        name = fields[-1]
        problem = ""
        if len(fields) < 2 or fields[0] != str(expected):
            # Counting from 0 is the usual mistake in a list that a program wrote.
            hint = ", since classes count from 1" if fields[0] == "0" else ""
            problem = f'{line!r}; expected class {expected} as "{expected} Name"{hint}'
        elif name in names:
            problem = f"class {name} is there twice"
        if problem:
            raise FileError(f"{where}: {problem}")
        names.append(name)
    if not names:
        raise FileError(f'{path}: names no class; expected lines "1 Name"')
    return tuple(names)


def read_video_list(path: epath.Path) -> list[ListRow]:
    """Reads trainlist0N.txt or testlist0N.txt, lines "Class/file.avi" or "Class/file.avi 1".

    Raises:
      FileError: a line of another form, an empty list, or a video twice.
    """
    rows: dict[str, ListRow] = {}
    for where, line in _read_list_lines(path):
        file, number = line, None
        numbered = re.fullmatch(r"(.*\S)\s+(\d{1,9})", line)
        if numbered:
            file, number = numbered[1], int(numbered[2])
        # Some lists have Windows' slashes, and folders before the class.
        names = []
        for name in file.replace("\\", "/").split("/"):
            if name not in ("", "."):
                names.append(name)
        if len(names) < 2:
            raise FileError(f'{where}: {line!r}; expected "Class/file"')
        row = ListRow(without_video_extension("/".join(names[-2:])), number, where)
        add_list_row(rows, row.name, row)
    if not rows:
        raise FileError(f"{path}: lists no video")
    return list(rows.values())


def add_list_row(rows: dict[Any, ListRow], video: str | int, row: ListRow) -> None:
    """Adds the row of a video, which is named or numbered; raises FileError where it has one."""
    first = rows.setdefault(video, row)
    # `setdefault` returns the row of another line, where there is one.
    if first is not row:
        raise FileError(f"{row.where}: {row.name} is listed twice, first at {first.where}")


# ---- the lists of one split ----------------------------------------------------------------------


def read_split_list(root: epath.Path, split: int) -> tuple[list[ListRow], list[ListRow]] | None:
    """Reads the train and test lists of one split; None where the folder has no such lists.

    UCF101 has trainlist0N.txt and testlist0N.txt, HMDB51 a file <class>_test_splitN.txt for each
    class.

    Raises:
      FileError: other splits are there but not this one, one list without the other, or a line of
        another form.
    """
    paths = {}
    for path in root.glob("*.txt"):
        if is_list_name(path.name):
            paths[path.name] = path
    if not paths:
        return None
    class_lists = _class_list_paths(root, split)
    if class_lists:
        train = _read_class_lists(class_lists, _HMDB51_TRAIN)
        return train, _read_class_lists(class_lists, _HMDB51_TEST)
    names = (f"trainlist{split:02}.txt", f"testlist{split:02}.txt")
    missing = [name for name in names if name not in paths]
    if missing:
        existing = ", ".join(sorted(paths)[:8])
        raise FileError(f"{root}: lacks {' and '.join(missing)}; it has {existing}")
    train_name, test_name = names
    return read_video_list(paths[train_name]), read_video_list(paths[test_name])


def read_unused_list(root: epath.Path, split: int) -> list[ListRow]:
    """The videos that HMDB51's lists use neither for training nor for testing; else none.

    Raises:
      FileError: a line of another form.
    """
    return _read_class_lists(_class_list_paths(root, split), _HMDB51_UNUSED)


def is_list_name(name: str) -> bool:
    """Whether a file has a name that the lists of UCF101 or HMDB51 have."""
    return bool(re.fullmatch(r"(train|test)list\d+\.txt|.+_test_split\d+\.txt", name))


def _class_list_paths(root: epath.Path, split: int) -> dict[str, epath.Path]:
    """HMDB51's list of each class, in the order of the file names."""
    ending = f"_test_split{split}.txt"
    paths = {}
    for path in sorted(root.glob("*.txt"), key=lambda path: path.name):
        if is_list_name(path.name) and path.name.endswith(ending):
            paths[path.name.removesuffix(ending)] = path
    return paths


def _read_class_lists(paths: Mapping[str, epath.Path], part: int) -> list[ListRow]:
    """The videos of one part in HMDB51's lists of all classes; they carry no class number."""
    rows = []
    for label, path in paths.items():
        for row in _read_class_list(path, label):
            if row.number == part:
                # Here the number is that of the part; a row of a split has that of its class.
                rows.append(row._replace(number=None))
    return rows


def _read_class_list(path: epath.Path, label: str) -> list[ListRow]:
    """Lines "file.avi K" of one class of HMDB51; `number` of each row is K, 0, 1 or 2."""
    rows: dict[str, ListRow] = {}
    for where, line in _read_list_lines(path):
        # From the right, since HMDB51 has blanks in the names of clips.
        file, _, part = line.rpartition(" ")
        if part not in ("0", "1", "2") or not file:
            raise FileError(f'{where}: {line!r}; expected "file" and 0, 1 or 2')
        row = ListRow(f"{label}/{without_video_extension(file.strip())}", int(part), where)
        add_list_row(rows, row.name, row)
    return list(rows.values())


# ---- text ----------------------------------------------------------------------------------------


def read_list_text(path: epath.Path) -> str:
    """The text of a list, without the byte order mark that some editors write.

    Raises:
      FileError: there is no such file, or it is not UTF-8.
    """
    if not path.is_file():
        raise FileError(f"{path} is missing; expected a list")
    encoded = path.read_bytes()
    first_line = encoded.split(b"\n", 1)[0]
    # "Unicode text" of some programs. Without its mark, it has a NUL beside every Latin letter.
    if encoded.startswith((b"\xff\xfe", b"\xfe\xff")) or first_line.count(b"\0") > 2:
        raise FileError(f"{path}:1: the text is UTF-16; save it as UTF-8")
    try:
        return encoded.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # An editor finds the character by its line; the byte tells which encoding it may be.
        line = encoded.count(b"\n", 0, error.start) + 1
        byte = f"0x{encoded[error.start]:02x}"
        raise FileError(
            f"{path}: not UTF-8 text: line {line} has the byte {byte}; save it as UTF-8"
        ) from error


def _read_list_lines(path: epath.Path) -> list[tuple[str, str]]:
    """The lines that are not blank, each with its "file:line"."""
    lines = []
    for number, line in enumerate(read_list_text(path).splitlines(), 1):
        if line.strip():
            lines.append((f"{path}:{number}", line.strip()))
    return lines
