"""What docs/results/real_data.md calls the rows of a result file."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.real_data.ut_baselines import SINGLE_FRAMES

CELLS: Mapping[str, str] = {
    "lstm": "LSTM",
    "alstm": "ALSTM",
    "convlstm": "ConvLSTM",
    "convalstm": "ConvALSTM",
    "motion_alstm": "ALSTM with motion",
    "videolstm": "VideoLSTM",
}
"""The cells in the order of the page, and what it calls them."""
STREAMS: Mapping[str, str] = {"rgb": "RGB", "flow": "flow"}


def title(name: str) -> str:
    """What the page calls a row of the result file."""
    if name == "fusion":
        return "both VideoLSTMs, product of scores"
    if name == SINGLE_FRAMES:
        return "ridge regression on single 7x7x320 maps, flow, mean of the scores"
    cell, _, stream = name.partition("-")
    if cell in CELLS and stream in STREAMS:
        return f"{CELLS[cell]}, {STREAMS[stream]}"
    # The paper's word for it stands beside ours.
    name = name.replace("frame classifier", "frame classifier (ConvNet)")
    return name.replace("ridge on", "ridge regression on")
