"""One row for every cell of Tables 1 to 4 and every curve of Figure 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

SPLITS: Mapping[str, tuple[int, ...]] = MappingProxyType({"ucf101": (1,), "hmdb51": (1, 2, 3)})
"""The official splits that a row of a data set needs; its number is the mean over them."""
FUSED_CELL: Mapping[str, str] = MappingProxyType({"authors": "convalstm"})
"""The cell on flow in the fused model by preset; elsewhere it is VideoLSTM (docs/decisions.md)."""
EXTERNAL = ("idt", "objects")
"""Scores without a recurrent model: improved dense trajectories, and objects in still frames."""

_LADDER = ("convnet", "lstm", "alstm", "convlstm", "convalstm")
_TITLE = {"rgb": "RGB", "flow": "flow"}
_MODEL_TITLE = {
    "convnet": "ConvNet",
    "lstm": "LSTM",
    "alstm": "ALSTM",
    "convlstm": "ConvLSTM",
    "convalstm": "ConvALSTM",
    "videolstm": "VideoLSTM",
}
_ATTENTION = {"alstm": "appearance", "convalstm": "appearance", "videolstm": "motion"}
_MOTION_CELL = {"alstm": "motion_alstm", "convalstm": "videolstm"}
# What a convolution can read keeps its places; the other cells read a vector.
_FEATURES = {"convnet": "frames", "lstm": "fc7", "idt": "tracks", "objects": "frames"}
_EXTERNAL_TITLE = {"idt": "iDT", "objects": "Objects"}
# A regression over no frame leaves the boxes as they are.
_SMOOTHINGS: Mapping[str, Mapping[str, Any]] = {"smooth": {}, "raw": {"localize__span": 0}}
_SMOOTHING_TITLE = {"smooth": "with temporal smoothing", "raw": "without temporal smoothing"}


class Row(NamedTuple):
    """One number of the paper, and the experiment that gives it.

    Attributes:
      name: such as `table1/ucf101/rgb/convalstm`; HMDB51's rows of one split end in `/split1`.
      title: the model in the paper's words.
      measure: "accuracy", "recall" or "map".
      dataset: "ucf101" or "hmdb51".
      splits: the official splits whose mean the number is.
      streams: that the model reads as input; motion attention reads flow beside them.
      cell: of the run; "convnet" for the backbone alone, "" where several parts are fused.
      features: that the cell reads.
      attention: "none", "appearance" or "motion".
      parts: what is multiplied: "videolstm" (a run of each stream) and names of `EXTERNAL`.
      settings: on top of the preset, by `section__field`.
      section: of the paper.
      note: what a reader must know of the row.
    """

    name: str
    title: str
    measure: str
    dataset: str
    splits: tuple[int, ...]
    streams: tuple[str, ...]
    cell: str
    features: str
    attention: str
    parts: tuple[str, ...] = ()
    settings: Mapping[str, Any] = MappingProxyType({})
    section: str = "5"
    note: str = ""

    @property
    def table(self) -> str:
        """The table or figure: "table1" .. "table4", "figure4a" or "figure4b"."""
        return self.name.partition("/")[0]

    @property
    def backbones(self) -> tuple[str, ...]:
        """The streams whose backbones the row reads features of; none without a stream."""
        if self.attention == "motion" and "flow" not in self.streams:
            return (*self.streams, "flow")
        return self.streams

    @property
    def mean_name(self) -> str:
        """The name of the row that is the mean over the splits; of such a row its own name."""
        name, _, _ = self.name.rpartition("/")
        if self.last_name.startswith("split"):
            return name
        return self.name

    @property
    def last_name(self) -> str:
        """The last part of the name, such as `convalstm`, `smooth` or `split1`."""
        return self.name.rpartition("/")[2]

    @property
    def variant(self) -> str:
        """The name of its tubes beside those of other settings; empty for the usual ones."""
        if self.settings:
            return self.last_name
        return ""


# ---- the tables ----------------------------------------------------------------------------------


def _table1() -> Iterator[Row]:
    """The ladder from the ConvNet to ConvALSTM, for each stream."""
    for dataset in SPLITS:
        for stream in ("rgb", "flow"):
            for cell in _LADDER:
                yield Row(
                    name=f"table1/{dataset}/{stream}/{cell}",
                    title=f"{_MODEL_TITLE[cell]}, {_TITLE[stream]}",
                    measure="accuracy",
                    dataset=dataset,
                    splits=SPLITS[dataset],
                    streams=(stream,),
                    cell=cell,
                    features=_FEATURES.get(cell, "pool5"),
                    attention=_ATTENTION.get(cell, "none"),
                )


def _table2() -> Iterator[Row]:
    """Attention from appearance against attention from motion, on RGB."""
    for dataset in SPLITS:
        for attention in ("appearance", "motion"):
            for base in ("alstm", "convalstm"):
                cell, note = base, ""
                if attention == "motion":
                    cell = _MOTION_CELL[base]
                if cell == "videolstm":
                    note = "ConvALSTM with motion-based attention is VideoLSTM."
                yield Row(
                    name=f"table2/{dataset}/{attention}/{base}",
                    title=f"{_MODEL_TITLE[base]}, {attention}-based attention",
                    measure="accuracy",
                    dataset=dataset,
                    splits=SPLITS[dataset],
                    streams=("rgb",),
                    cell=cell,
                    features="pool5",
                    attention=attention,
                    note=note,
                )


def _fusions(table: str, kinds: Sequence[tuple[str, ...]]) -> Iterator[Row]:
    """Rows of fused models; the first column of each data set is the fused VideoLSTM alone."""
    for dataset in SPLITS:
        for parts in kinds:
            titles = []
            for part in parts:
                titles.append(_EXTERNAL_TITLE.get(part, "VideoLSTM"))
            # A row without a recurrent model reads no features of a backbone.
            streams: tuple[str, ...] = ()
            features = _FEATURES.get(parts[0], "pool5")
            attention = "none"
            if "videolstm" in parts:
                streams = ("rgb", "flow")
                features, attention = "pool5", "motion"
            yield Row(
                name=f"{table}/{dataset}/{'+'.join(parts)}",
                title=" + ".join(titles),
                measure="accuracy",
                dataset=dataset,
                splits=SPLITS[dataset],
                streams=streams,
                cell="",
                features=features,
                attention=attention,
                parts=parts,
                section="5.5",
                note=_fusion_note(parts),
            )


def _fusion_note(parts: tuple[str, ...]) -> str:
    """What a reader must know of a fused row, or of one of its ingredients."""
    notes = []
    if "videolstm" in parts:
        notes.append(
            "The paper does not define the flow half of VideoLSTM. It is VideoLSTM whose "
            "input and motion are both flow; ConvALSTM on flow in the preset authors."
        )
    if "idt" in parts and len(parts) > 1:
        notes.append(
            "The paper gives iDT an exponent that no source here names. All have 1; "
            "--fuse.weights or --fuse.search give others."
        )
    if parts in (("idt",), ("objects",)):
        notes.append("An ingredient of the fused rows.")
    return " ".join(notes)


def _figure4() -> Iterator[Row]:
    """Recall (4a) and video-mAP (4b) against the IoU, on the test videos that have boxes."""
    for figure, measure in (("figure4a", "recall"), ("figure4b", "map")):
        for cell in ("alstm", "videolstm"):
            for smoothing, settings in _SMOOTHINGS.items():
                # The paper's mAP is that of the smoothed tubes.
                if figure == "figure4b" and smoothing == "raw":
                    continue
                yield Row(
                    name=f"{figure}/{cell}/{smoothing}",
                    title=f"{_MODEL_TITLE[cell]}, {_SMOOTHING_TITLE[smoothing]}",
                    measure=measure,
                    dataset="ucf101",
                    splits=SPLITS["ucf101"],
                    streams=("rgb",),
                    cell=cell,
                    features="pool5",
                    attention=_ATTENTION[cell],
                    settings=MappingProxyType(settings),
                    section="4, 5.3",
                    note="The number in a table is that at IoU .2; the figure has the curve.",
                )


def _all_rows() -> Mapping[str, Row]:
    """Every row by name; one of several splits is followed by a row for each split."""
    rows: dict[str, Row] = {}
    fused = ("videolstm",)
    kinds = (
        fused,
        ("idt",),
        ("objects",),
        ("idt", "videolstm"),
        ("idt", "objects", "videolstm"),
    )
    tables = (_table1(), _table2(), _fusions("table3", [fused]), _fusions("table4", kinds))
    for table in (*tables, _figure4()):
        for row in table:
            rows[row.name] = row
            if len(row.splits) == 1:
                continue
            for split in row.splits:
                # The results of one split tell that it is finished before the others are.
                name = f"{row.name}/split{split}"
                rows[name] = row._replace(name=name, splits=(split,))
    return MappingProxyType(rows)


ROWS: Mapping[str, Row] = _all_rows()
"""Every row by its name, in the order of the tables."""
