"""The numbers of the paper that a source at hand gives, each with its source.

A number without a source is left out: a table then shows that it is unknown. To add one, copy it
from the paper itself and name the table and the cell as its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Number(NamedTuple):
    """A published number in per cent, and where it was read."""

    per_cent: float
    source: str


# The paper itself was not at hand when this table was made; docs/paper.md says what was searched.
# This survey quotes the version of the journal, Computer Vision and Image Understanding 166, 2018.
_SURVEY = "Sun et al., arXiv:2012.11866v5, Table II, iDT(FV)+Objects+VideoLSTM"

NUMBERS: Mapping[str, Number] = MappingProxyType(
    {
        "table4/ucf101/idt+objects+videolstm": Number(92.2, _SURVEY),
        "table4/hmdb51/idt+objects+videolstm": Number(64.9, _SURVEY),
    }
)
"""Published numbers by the name of their row."""
