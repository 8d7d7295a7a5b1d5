"""A kind of file that may come from a stranger, its reader, and how its content is changed.

A reader is called with a folder. What it returns does not matter: it must succeed or raise one of
the project's errors, which names the file.
"""

import pathlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bounded_reading import outcome_of
from hostile_edits import changed_bytes, changed_text, changed_tree


class ForeignFile(NamedTuple):
    """A kind of file and its reader.

    Attributes:
      name: of the parser, for reports.
      path: of the file below the folder.
      valid: contents that are read, bytes or values that `encode` makes bytes of.
      read: reads the folder.
      encode: of the values.
      is_text: whether words may be exchanged.
      beside: other files of the folder by their paths.
      named: what a message must contain, if not the folder; empty stands for the name of the file.
    """

    name: str
    path: str
    valid: tuple[Any, ...]
    read: Callable[[Any], object]
    encode: Callable[[Any], bytes] | None = None
    is_text: bool = False
    beside: Mapping[str, bytes] = MappingProxyType({})
    named: str = ""

    @property
    def ways(self) -> tuple[str, ...]:
        """How the file can be changed, the likeliest to be read furthest more often."""
        ways = ["bytes"]
        if self.is_text:
            ways += ["text", "text"]
        if self.encode is not None:
            ways += ["tree", "tree", "tree"]
        return tuple(ways)

    def content(self, number):
        """The bytes of a valid file."""
        valid = self.valid[number % len(self.valid)]
        return valid if self.encode is None else self.encode(valid)

    def changed(self, example):
        """The bytes of an example; None where the values cannot be written in this format."""
        if example.way == "raw":
            return example.raw
        if example.way == "bytes":
            return changed_bytes(self.content(example.valid), example.edits)
        if example.way == "text":
            return changed_text(self.content(example.valid), example.edits)
        tree = changed_tree(self.valid[example.valid % len(self.valid)], example.edits)
        try:
            return self.encode(tree)
        except Exception:  # libraries refuse values in many ways
            return None

    def outcome(self, folder, content):
        """What reading does with a content, see `bounded_reading`."""
        (folder / self.path).write_bytes(content)
        name = self.named or pathlib.PurePath(self.path).name
        return outcome_of(self.read, folder, name)

    def prepare(self, folder):
        """Writes the files beside it, once for all examples."""
        for path, content in self.beside.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        (folder / self.path).parent.mkdir(parents=True, exist_ok=True)
