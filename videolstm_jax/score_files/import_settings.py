"""What a user adds to a score file that does not say everything itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from videolstm_jax.types import Dataset


class ImportSettings(NamedTuple):
    """What a file may not say itself; empty values are taken from the file.

    `stream` names the field with the scores, `kind` is one of KINDS, `part` the list that the
    videos are of, and `classes` are the names of the classes in the order of the scores.
    `first_label` is the number of the first class. `dataset` has the classes, labels and lists of a
    work folder.
    """

    stream: str = ""
    kind: str = ""
    part: str = ""
    classes: tuple[str, ...] = ()
    first_label: int = 0
    dataset: Dataset | None = None
