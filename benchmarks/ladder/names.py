"""The names of rows in the words of the pages."""

from __future__ import annotations

CELLS = {
    "motion_alstm": "ALSTM with motion",
    "videolstm": "VideoLSTM",
    "convalstm": "ConvALSTM",
    "convlstm": "ConvLSTM",
    "convnet": "ConvNet",
    "alstm": "ALSTM",
    "lstm": "LSTM",
}
"""Networks, by the first part of a row's name."""

WORDS = {
    **CELLS,
    "rgb": "RGB",
    "flow": "flow",
    "scaled": "A * X times 49",
    "all_channels": "64 channels",
}
"""Every part of a row's name."""


def title(name: str) -> str:
    """The name of a row in words: `convalstm-rgb` is "ConvALSTM, RGB"."""
    parts = name.split("-")
    if parts[0] not in (*CELLS, "fusion"):
        return name
    words = [WORDS.get(part, part) for part in parts]
    return ", ".join(words)
