"""True tubes of whole data sets: which reader a file needs, and the pickle-free file that all are
converted to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.annotations import act, records, ucf24, viper
from videolstm_jax.annotations.records import Annotated, checked
from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import matlab, pickles
from videolstm_jax.types import Dataset, Detection


def read_truth(path: files.PathLike, *, split: int = 1) -> Annotated:
    """Reads true tubes, whatever of these the file is.

    A `truth.jsonl` of `save_truth` or of a walk; `pyannot.pkl` or `finalAnnots.mat` of the
    corrected UCF101-24 annotations; `UCF101v2-GT.pkl` and others in the layout of ACT and MOC;
    THUMOS13's .xgtf, one or a folder of them.

    Args:
      path: the file or folder.
      split: which test list is taken where the file has several.

    Raises:
      FileError: it is none of these, is damaged or malicious, or holds a tube that does not fit its
        video.
      FileError: a truth.jsonl with a bad line, which is named; or there is no such file.
    """
    place = epath.Path(path)
    if not place.exists():
        raise FileError(f"{path} is missing; expected annotations")
    if place.is_dir() or place.name.endswith(viper.SUFFIX):
        return viper.read_viper(str(path))
    if place.suffix == ".jsonl":
        return load_truth(path)
    if place.suffix not in (".pkl", ".mat"):
        raise FileError(f"{path}: expected .jsonl, .pkl, .mat, .xgtf or a folder of .xgtf")
    try:
        value = (
            matlab.read_matlab(str(path))
            if place.suffix == ".mat"
            else pickles.read_pickle(place.read_bytes())
        )
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    if isinstance(value, dict) and "gttubes" in value:
        return act.read_annotations(str(path), value, split=split)
    return ucf24.read_value(str(path), value)


# ---- the pickle-free file ------------------------------------------------------------------------


def save_truth(path: files.PathLike, annotated: Annotated) -> None:
    """Writes tubes as truth.jsonl, one a line: a tube of tubes.jsonl, and beside it what is known
    of its video.

    `class` is the class's name; `frames` and `size` (W, H) stand where the annotations say them.
    The first line also has `tubes`, how many lines there are, so that a file cut short is known as
    one, and where there are any `classes`, all names in order, the `test` list, `notes`, and
    `without_tubes`, frames and size of the other videos by name.
    """
    files.write_jsonl(path, _rows(annotated))


def _rows(annotated: Annotated) -> Iterator[dict[str, Any]]:
    bare = {*annotated.frames, *annotated.sizes} - {one.video for one in annotated.truth}
    head = {
        "tubes": len(annotated.truth),
        "classes": list(annotated.classes),
        "test": list(annotated.test),
        "notes": list(annotated.notes),
        "without_tubes": {name: _about(annotated, name) for name in sorted(bare)},
    }
    for one in annotated.truth:
        row = {
            "video": one.video,
            "label": int(one.label),
            "score": 1.0,
            "start": int(one.tube.start),
            "boxes": np.asarray(one.tube.boxes, float).tolist(),
            **_about(annotated, one.video),
        }
        if annotated.classes:
            row["class"] = annotated.classes[one.label]
        yield {**row, **{field: value for field, value in head.items() if value}}
        head = {}


def _about(annotated: Annotated, video: str) -> dict[str, Any]:
    said = {"frames": annotated.frames.get(video), "size": annotated.sizes.get(video)}
    return {field: value for field, value in said.items() if value is not None}


def load_truth(path: files.PathLike) -> Annotated:
    """Reads what `save_truth` wrote, or the truth.jsonl of a walk, which says no more than the
    tubes.

    Raises:
      FileError: naming the line, for one that is no tube.
      FileError: naming the line, where what it says of its video is of another form, contradicts an
        earlier line or does not fit the tube; or there are not as many lines as the first one says.
    """
    classes, test, notes = (), (), ()
    promised = None
    frames: dict[str, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    truth: list[Detection] = []
    for where, row, found in artifacts.each_line_of_detections(path):
        if len(found) != 1:
            raise FileError(
                f"{where}: {len(found)} scores of {row['video']}; expected true tubes, of one class"
            )
        (one,) = found
        try:
            classes, test, notes = (
                _names(row.get(field, before))
                for field, before in (("classes", classes), ("test", test), ("notes", notes))
            )
            promised = row.get("tubes", promised)
            if classes and "class" in row and classes[one.label] != row["class"]:
                raise FileError(
                    f"{where}: class {row['class']!r} with label {one.label}, {classes[one.label]!r}"
                )
            for video, about in {**row.get("without_tubes", {}), one.video: row}.items():
                if "frames" in about:
                    frames[video] = _same(where, video, frames.get(video), _whole(about["frames"]))
                if "size" in about:
                    width, height = map(_whole, about["size"])
                    sizes[video] = _same(where, video, sizes.get(video), (width, height))
        except FileError:
            raise
        except (TypeError, IndexError, ValueError) as error:
            raise FileError(f"{where}: {error}") from error
        wrong = records.fault(
            one,
            classes=len(classes),
            frames=frames.get(one.video, 0),
            size=sizes.get(one.video, (0, 0)),
        )
        if wrong:
            raise FileError(f"{where}: a tube of {one.video} {wrong}")
        truth.append(one)
    if not truth or len(truth) != (promised or len(truth)):
        raise FileError(f"{path}: holds {len(truth)} tubes; expected {promised or 'at least one'}")
    return checked(path, Annotated(classes, frames, sizes, truth, test, notes))


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r}; expected a list of text")
    return tuple(value)


def _whole(value: Any) -> int:
    if type(value) not in (int, float) or not 0 <= value < records.MOST_FRAMES or value % 1:
        raise ValueError(f"{value!r}; expected a whole number")
    return int(value)


def _same(where: str, video: str, before: Any, now: Any) -> Any:
    if before not in (None, now):
        raise FileError(f"{where}: {video} has {now}, an earlier line said {before}")
    return now


# ---- to a walk, and side by side -----------------------------------------------------------------


def for_dataset(
    path: files.PathLike, annotated: Annotated, dataset: Dataset, *, cut: bool = False
) -> list[Detection]:
    """The tubes of a data set's own videos, with the labels the data set counts.

    Args:
      path: names the file in messages.
      annotated: tubes of these videos and of any others, which are passed over.
      dataset: the listed videos.
      cut: whether boxes behind a video's last frame are dropped, since only its beginning is read.

    Raises:
      FileError: no listed video has tubes, a class that the data set lacks, a video of another size
        than the annotated one, or a tube that does not fit its video.
    """
    frames = {video.name: video.frames for video in dataset.videos}
    truth = [one for one in annotated.truth if one.video in frames]
    if cut:
        truth = [
            one._replace(
                tube=one.tube._replace(boxes=one.tube.boxes[: frames[one.video] - one.tube.start])
            )
            for one in truth
            if one.tube.start < frames[one.video]
        ]
    if not truth:
        raise FileError(
            f"{path}: none of its {len(annotated.videos)} videos is one of the {len(frames)} listed; names "
            f"there are such as {min(annotated.videos, default='-')}"
        )
    found = records.fitted(path, annotated._replace(truth=truth), dataset)
    for one in found.truth:
        if found.classes[one.label] not in dataset.classes:
            raise FileError(
                f"{path}: a tube of {one.video} has class {found.classes[one.label]}; expected one of the "
                f"{len(dataset.classes)} classes of the videos"
            )
    return [
        one._replace(label=dataset.classes.index(found.classes[one.label])) for one in found.truth
    ]


def differences(a: Annotated, b: Annotated) -> list[str]:
    """What two sets of annotations do not agree in, tube by tube, a line for each: none where they
    are the same.

    Tubes of a video are compared in the order of their frames.
    """
    said = [f"classes: {a.classes} and {b.classes}"] if a.classes != b.classes else []
    tubes: dict[str, tuple[list[Detection], list[Detection]]] = {
        name: ([], []) for name in sorted(a.videos | b.videos)
    }
    for side, annotated in enumerate((a, b)):
        for one in annotated.truth:
            tubes[one.video][side].append(one)
    for name, (ours, theirs) in tubes.items():
        if a.frames.get(name) != b.frames.get(name):
            said.append(f"{name}: {a.frames.get(name)} and {b.frames.get(name)} frames")
        if len(ours) != len(theirs):
            said.append(f"{name}: {len(ours)} and {len(theirs)} tubes")
            continue
        for number, (one, other) in enumerate(zip(_in_order(ours), _in_order(theirs), strict=True)):
            if (one.label, one.tube.start, len(one.tube.boxes)) != (
                other.label,
                other.tube.start,
                len(other.tube.boxes),
            ):
                said.append(
                    f"{name} tube {number}: label {one.label} and {other.label}, frames from {one.tube.start} "
                    f"and {other.tube.start}, {len(one.tube.boxes)} and {len(other.tube.boxes)} of them"
                )
            elif not np.array_equal(one.tube.boxes, other.tube.boxes):
                apart = np.abs(one.tube.boxes - other.tube.boxes).max(axis=1)
                said.append(
                    f"{name} tube {number}: {int((apart > 0).sum())} of {len(apart)} boxes differ, by up to "
                    f"{apart.max():g} pixels"
                )
    return said


def _in_order(tubes: list[Detection]) -> list[Detection]:
    return sorted(
        tubes,
        key=lambda one: (one.tube.start, len(one.tube.boxes), one.label, one.tube.boxes.tolist()),
    )
