"""Scans the opcodes of a pickle before it is read: which it may have, and what memory they take."""

from __future__ import annotations

import io
import itertools
import pickletools
from typing import Any

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers.keys import KeySizes

# Absent on purpose: INST, OBJ, NEWOBJ and NEWOBJ_EX (other ways to call a class), EXT1 to EXT4 and
# PERSID, BINPERSID (names that lie outside the file), and what sets and buffers need.
ALLOWED_OPCODES = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK"),
        *("NONE", "NEWTRUE", "NEWFALSE"),
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "LIST"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
        *("GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    ]
)

MEMO_OPCODES = ("PUT", "BINPUT", "LONG_BINPUT")
"""Opcodes that store the top of the stack in the memo, under a number of the file's choice."""


def check_pickle_opcodes(data: bytes) -> None:
    """Scans a pickle from its first opcode to STOP, which must be its last byte.

    Args:
      data: the whole pickle.

    Raises:
      FileError: an opcode that is unknown or not allowed, a memo number that is too large, or bytes
        behind STOP.
    """
    opcodes = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
    file = io.BytesIO(data)
    sizes = KeySizes()
    for count in itertools.count():
        position = file.tell()
        code = file.read(1)
        if code not in opcodes:
            raise FileError(
                f"not a whole pickle: byte {position} of {len(data)} is {code!r}, no opcode"
            )
        opcode = opcodes[code]
        argument, problem = _read_opcode(opcode, count, file)
        if problem:
            raise FileError(f"{problem[0]} at byte {position}; expected {problem[1]}")
        sizes.follow(opcode, argument)
        if opcode.name == "STOP":
            break
    left_over = len(data) - file.tell()
    if left_over:
        raise FileError(f"ends at byte {file.tell()}; {left_over} more bytes follow")


def _read_opcode(
    opcode: pickletools.OpcodeInfo, count: int, file: io.BytesIO
) -> tuple[Any, tuple[str, str] | None]:
    """The argument of an opcode, and what is wrong with it and expected; None where nothing is.

    Args:
      opcode: the opcode.
      count: of the opcodes before it.
      file: behind the opcode, at its argument.
    """
    # The name first: the argument of an opcode that is not allowed is not read.
    if opcode.name not in ALLOWED_OPCODES:
        return None, (f"has the opcode {opcode.name}", "plain arrays, numbers and text")
    argument = _read_argument(opcode, file)
    # The unpickler allocates its memo up to the largest number. After `count` opcodes a true pickle
    # has stored at most `count` values; a larger number only wastes memory.
    if opcode.name in MEMO_OPCODES and argument > count:
        return argument, (f"remembers a value as number {argument}", f"at most {count}")
    return argument, None


def _read_argument(opcode: pickletools.OpcodeInfo, file: io.BytesIO) -> Any:
    """Reads the argument of an opcode; None where it has none."""
    if opcode.name == "STRING":
        # The standard library's reader of this argument takes ASCII only; Python 2 wrote any bytes.
        return file.readline()
    if not opcode.arg:
        return None
    return opcode.arg.reader(file)
