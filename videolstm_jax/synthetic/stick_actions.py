"""The built-in data set: stick figures that perform eight actions, made on first use.

- videos/<Class>/v_<Class>_g01_c01.mp4: 32-40 frames, 25 a second.
- classInd.txt, trainlist01.txt, testlist01.txt: as UCF101 has them.
- boxes.json: {"<Class>/<stem>": [[x0, y0, x1, y1], ..]}, one box a frame, half-open pixels.
- stick_actions.json: the settings; written last, it marks the set as complete.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import ConfigError
from videolstm_jax.progress_lines import counted
from videolstm_jax.synthetic import scenes, stick_clips
from videolstm_jax.synthetic.stick_clips import STICK_CLASSES, ClipSpec
from videolstm_jax.video import encode

FPS = 25.0
# Changes whenever the same settings make other pictures.
SET_VERSION = 1

_MARKER = "stick_actions.json"


@dataclasses.dataclass(frozen=True)
class StickSettings:
    """The settings of a set.

    Attributes:
      classes: which of `STICK_CLASSES`; their order numbers them.
      clips_per_class: clips of each class in the training list.
      test_clips_per_class: clips of each class in the test list, by other actors.
      difficulty: `easy` or `hard`, see `scenes.DIFFICULTIES`.
      context: the chance that a clip's background is its class's own.
      seed: another seed makes another set.
      size: side of the frames, pixels.

    Raises:
      ConfigError: a setting that cannot be used.
    """

    classes: Sequence[str] = STICK_CLASSES
    clips_per_class: int = 24
    test_clips_per_class: int = 8
    difficulty: str = "easy"
    context: float = 0.0
    seed: int = 0
    size: int = 64

    def __post_init__(self) -> None:
        """Checks every setting."""
        unknown = set(self.classes) - set(STICK_CLASSES)
        has_duplicates = len(set(self.classes)) < len(self.classes)
        if unknown or not self.classes or has_duplicates:
            raise ConfigError(
                f"classes are {list(self.classes)}; expected different ones of "
                f"{', '.join(STICK_CLASSES)}"
            )
        if self.difficulty not in scenes.DIFFICULTIES:
            levels = " or ".join(scenes.DIFFICULTIES)
            raise ConfigError(f"difficulty is {self.difficulty!r}; expected {levels}")
        if not 0 <= self.context <= 1:
            raise ConfigError(f"context is {self.context!r}; expected a chance, 0 to 1")
        lowest = {"clips_per_class": 1, "test_clips_per_class": 1, "seed": 0, "size": 16}
        for name, least in lowest.items():
            value = getattr(self, name)
            if value < least or value != int(value):
                raise ConfigError(f"{name} is {value!r}; expected a whole number from {least} up")

    def record(self) -> dict[str, Any]:
        """The settings as stick_actions.json holds them."""
        fields = dataclasses.asdict(self)
        fields.update(classes=list(self.classes), context=float(self.context), version=SET_VERSION)
        return fields


def list_stick_clips(settings: StickSettings) -> list[ClipSpec]:
    """The clips of a set, training list first."""
    clips = []
    counts = {False: settings.clips_per_class, True: settings.test_clips_per_class}
    for test, count in counts.items():
        for action in settings.classes:
            for number in range(count):
                clips.append(
                    ClipSpec(
                        action,
                        number,
                        test,
                        settings.difficulty,
                        settings.context,
                        settings.seed,
                        settings.size,
                    )
                )
    return clips


def generate_stick_actions(
    folder: str | os.PathLike, *, workers: int = 2, **settings: Any
) -> epath.Path:
    """Writes a set, unless it exists already.

    Videos are written to a hidden folder and moved into place when all are done, so an interrupted
    call leaves no set.

    Args:
      folder: where the set goes; made where absent.
      workers: threads; any number makes the same set.
      **settings: fields of `StickSettings`.

    Returns:
      The folder.

    Raises:
      ConfigError: a setting that cannot be used, or a folder that holds another set or other
        videos.
    """
    folder = epath.Path(folder)
    stick_settings = StickSettings(**settings)
    if _is_complete(folder, stick_settings.record()):
        return folder
    clips = list_stick_clips(stick_settings)
    # The number of the process keeps two calls at the same time apart.
    part = folder / f".making-{os.getpid()}"
    try:
        with ThreadPoolExecutor(max(1, workers)) as pool:
            written = pool.map(lambda spec: _write_clip(part, spec), clips)
            boxes = dict(counted(written, len(clips), "draws stick actions"))
        # One rename: the folder has all videos or none.
        part.replace(folder / "videos")
    finally:
        if part.exists():
            part.rmtree()
    # The marker is written last: a call that was killed before it leaves no set.
    _write_lists(folder, stick_settings.classes, clips)
    files.write_json(folder / "boxes.json", boxes)
    # Written last: the file shows that the set is complete.
    files.write_json(folder / _MARKER, stick_settings.record())
    return folder


def _is_complete(folder: epath.Path, record: dict[str, Any]) -> bool:
    """Whether the folder holds this very set.

    Raises:
      ConfigError: it holds another set, or videos without the settings they were made with.
    """
    if (folder / _MARKER).exists():
        stored_marker = files.read_json_object(folder / _MARKER)
        differences = []
        for name, value in record.items():
            if stored_marker.get(name) != value:
                differences.append(f"{name} is {stored_marker.get(name)!r}, asked for {value!r}")
        if differences:
            raise ConfigError(
                f"{folder} holds another set of stick actions: {'; '.join(differences)}; expected "
                "the same settings, or another folder"
            )
        return True
    if (folder / "videos").exists():
        raise ConfigError(
            f"{folder / 'videos'} exists but {_MARKER} does not: other videos, or a set that was "
            "interrupted; expected a folder without videos"
        )
    return False


def _write_clip(folder: epath.Path, spec: ClipSpec) -> tuple[str, list[list[int]]]:
    """Writes one video, and returns its name and boxes."""
    frames, boxes, _ = stick_clips.make_stick_clip(spec)
    encode.write_video(folder / f"{spec.name}.mp4", frames, FPS)
    return spec.name, boxes.tolist()


def _write_lists(folder: epath.Path, classes: Sequence[str], clips: Sequence[ClipSpec]) -> None:
    """Writes the classes and both lists in UCF101's format."""
    labels = {name: label for label, name in enumerate(classes, 1)}
    index = [f"{label} {name}" for name, label in labels.items()]
    train, test = [], []
    for spec in clips:
        # UCF101 writes labels in its training lists only.
        if spec.test:
            test.append(f"{spec.name}.mp4")
        else:
            train.append(f"{spec.name}.mp4 {labels[spec.action]}")
    _write_lines(folder / "classInd.txt", index)
    _write_lines(folder / "trainlist01.txt", train)
    _write_lines(folder / "testlist01.txt", test)


def _write_lines(path: epath.Path, lines: Sequence[str]) -> None:
    files.write_bytes(path, ("\n".join(lines) + "\n").encode())
