"""Follows the stack of a pickle without running it, to refuse keys that take forever to hash.

A tuple of the same tuple twice, forty times over, is a file of two hundred bytes. Python hashes the
keys of a dict and the items of a set by walking every path, of which there are 2 ** 40.
"""

from __future__ import annotations

import pickletools
from typing import Any

from videolstm_jax.errors import FileError

# Values within a key, all paths counted. Keys of annotations and of tensors are texts and numbers.
_LARGEST_KEY = 64
# Sizes are counted up to here only: they would grow to numbers of any length.
_MANY = 1 << 30

_MEMO_READERS = ("GET", "BINGET", "LONG_BINGET")
_MEMO_WRITERS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")


class KeySizes:
    """The sizes of all values on the stack: 1, and for a tuple also those of its items."""

    def __init__(self) -> None:
        """Begins with an empty stack; None in it is a mark."""
        self._stack: list[int | None] = []
        self._memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Does to the sizes what an opcode does to the values.

        Raises:
          FileError: a key is too large, or the stack is too short for the opcode.
        """
        name = opcode.name
        if name in _MEMO_READERS:
            self._stack.append(self._memo.get(int(argument), 1))
        elif name in _MEMO_WRITERS:
            # MEMOIZE counts by itself; older protocols name the number.
            number = len(self._memo)
            if name != "MEMOIZE":
                number = int(argument)
            self._memo[number] = 1
            if self._stack and self._stack[-1] is not None:
                self._memo[number] = self._stack[-1]
        elif name == "DUP":
            self._stack += self._stack[-1:]
        elif name == "MARK":
            self._stack.append(None)
        else:
            self._replace(opcode)

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        """Takes the arguments of an opcode from the stack, checks keys, and puts its results."""
        arguments = opcode.stack_before
        items: list[int] = []
        # POP takes a mark as well as a value.
        takes_mark = pickletools.markobject in arguments
        if takes_mark:
            items = self._items_to_mark()
            arguments = arguments[: arguments.index(pickletools.markobject)]
        # Not `-len(arguments)`, which would take the whole stack for an opcode without arguments.
        first = len(self._stack) - len(arguments)
        if first < 0:
            raise FileError(f"not a whole pickle: {opcode.name} without its arguments")
        values = [size or 1 for size in self._stack[first:]]
        del self._stack[first:]
        size = 1
        if opcode.name.startswith("TUPLE"):
            size = min(1 + sum(items) + sum(values), _MANY)
        keys: list[int] = []
        if opcode.name == "SETITEM":
            keys = values[1:2]
        elif opcode.name in ("SETITEMS", "DICT"):
            keys = items[::2]
        elif opcode.name in ("ADDITEMS", "FROZENSET"):
            keys = items
        if max(keys, default=0) > _LARGEST_KEY:
            raise FileError("has a key of nested tuples; expected text or numbers")
        self._stack += [size] * len(opcode.stack_after)

    def _items_to_mark(self) -> list[int]:
        items: list[int] = []
        while self._stack:
            size = self._stack.pop()
            if size is None:
                break
            items.append(size)
        items.reverse()
        return items
