"""Output on which names of files and classes cannot play tricks with the terminal."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from videolstm_jax.progress_lines import CLEAR_LINE

# Control characters, of which ESC begins the commands of terminals; those that change the direction
# of writing or break a line; and lone surrogates, which no terminal's encoding has.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable_terminal_text(text: str) -> str:
    r"""Returns a text with its control characters escaped, as `\x1b`; tabs and line ends stay."""
    return _CONTROLS.sub(_escaped, text)


def one_terminal_line(text: str) -> str:
    r"""Returns a text as one printable line: its line ends are escaped, too."""
    return printable_terminal_text(text).replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class EscapedStream:
    """A stream of text that escapes control characters in everything that is written to it."""

    def __init__(self, stream: TextIO):
        """Wraps a stream, which does all else."""
        self._stream = stream
        # Whether the line holds nothing but progress, so that it may be cleared.
        self._may_clear = True

    def __getattr__(self, name: str) -> Any:
        """Returns what the stream has of this name."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes a text; only the command that begins a line of progress is passed on."""
        start = ""
        if text.startswith(CLEAR_LINE) and self._may_clear:
            # Only there: in the middle of a line it would come from a name.
            start = CLEAR_LINE
        if text:
            self._may_clear = bool(start) or text.endswith("\n")
        self._stream.write(start + printable_terminal_text(text.removeprefix(start)))
        # What was taken, not what was written: a caller compares it with the length of its own
        # text.
        return len(text)


@contextlib.contextmanager
def escaped_terminal_output() -> Iterator[None]:
    """Escapes control characters in the standard output and error of a block."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(EscapedStream, streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
