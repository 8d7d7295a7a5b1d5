"""What does UCF101 cost in disk space and hours? Works it out from measured rates.

    python -m benchmarks.costs

Compares stages, training and machines, from the results of `benchmarks.full_size`, one file for
each machine. Writes docs/costs.md; measures nothing itself.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import command_line
from benchmarks.record import RESULTS

ROOT = pathlib.Path(__file__).parents[1]

# UCF101: 27 hours at 25 frames a second. Every video has one pair of frames, and one record of
# features, less than frames.
VIDEOS, FRAMES = 13_320, 2_500_000
PAIRS = FRAMES - VIDEOS
# Of the first official split.
TRAIN_VIDEOS = 9_537

TITLES = {
    "decode and check": "decoding and checking every video (`prepare --flow.online`)",
    "prepare": "`prepare`: decoding and TV-L1 at 340x256, JPEG files",
    "extract rgb": "`extract`, RGB",
    "extract flow": "`extract`, flow",
    "extract online": "`extract --flow.online`: flow and both streams at once",
}


class Training(NamedTuple):
    """A training of the preset `paper`: its steps, clips or frames a step, frames of a clip."""

    steps: int
    batch: int
    frames: int = 1

    @property
    def total_frames(self) -> int:
        """Frames that pass the network in the whole training."""
        return self.steps * self.batch * self.frames


BACKBONE = Training(20_000, 64)
RECURRENT = Training(20_000, 128, 30)  # Sec. 5.2

HEAD = """# Costs

This page estimates the disk space and the time that each stage takes for UCF101.

The first frames of {clips} real clips went through `prepare` and `extract`. The clips are of
UCF101, HMDB51 and a set of surveillance videos. They have {sizes} sizes,
from {smallest} to {largest} pixels. The stages use the paper's sizes: flow at 340x256, VGG-16 at
224x224. One training step of each network was timed. The measured rates, with compilation, are
multiplied by the size of UCF101: {videos:,} videos, about {frames:,} frames.

The work of `extract` can be divided among machines with `videolstm extract --shard=i/n`.
Videos of your own take far less time with the preset `small`:
[a log](experiments/backbones.md#what-own-videos-cost) has the time of each stage.

`python -m benchmarks.full_size --data DIR` measures the rates and writes them to
`benchmarks/results/full_size_*.json`; `python -m benchmarks.costs` makes this page of them.
"""

EMPTY = """# Costs

Nothing has been measured on this checkout yet. `python -m benchmarks.full_size --data DIR`, then
`python -m benchmarks.costs`, fill this page.
"""


def page(results: Sequence[dict]) -> str:
    """Returns the page in Markdown: disk space, which is the same everywhere, and each machine.

    Raises:
      ValueError: there are no results.
    """
    if not results:
        raise ValueError("no results; run python -m benchmarks.full_size --data DIR first")
    # Bytes do not depend on the machine, so those of the first one stand for all.
    first = results[0]
    sizes = sorted(first["sizes"], key=_area)
    head = HEAD.format(
        clips=first["clips"],
        sizes=len(sizes),
        smallest=sizes[0],
        largest=sizes[-1],
        videos=VIDEOS,
        frames=FRAMES,
    )
    lines = [head, *_disk_lines(first)]
    for result in results:
        lines += _machine_lines(result)
    return "\n".join(lines)


def _area(size: str) -> tuple[int, str]:
    """Returns the pixels of a size such as 320x240; the text decides among equal ones."""
    width, height = size.split("x")
    return int(width) * int(height), size


def _disk_lines(result: dict) -> list[str]:
    bytes_a_frame = result["bytes_per_frame"]
    flow = bytes_a_frame["flow"]
    features = bytes_a_frame["pool5"] + bytes_a_frame["fc7"] + bytes_a_frame["logits"]
    total = flow + 2 * features
    rows = [
        ("flow images, both components", flow),
        ("pool5 of one stream, float16", bytes_a_frame["pool5"]),
        ("fc7 of one stream, float16", bytes_a_frame["fc7"]),
        ("logits of one stream", bytes_a_frame["logits"]),
        ("all of it, both streams", total),
        ("without flow images (`--flow.online`)", total - flow),
    ]
    lines = ["## Disk", "", "| files | bytes a frame | UCF101 |", "|---|---|---|"]
    for title, size in rows:
        lines.append(f"| {title} | {size:,.0f} | {size * PAIRS / 1e9:,.1f} GB |")
    # The mean length of a training video is taken to be that of all videos.
    share = TRAIN_VIDEOS / VIDEOS
    mirrored = 2 * features * PAIRS * share
    return [
        *lines,
        "",
        "`--data.feature_dtype=uint8` halves the share of the features. `--data.mirrored` is on in "
        "`modern`. It stores features of the",
        f"{TRAIN_VIDEOS:,} training videos of split 1 twice: {mirrored / 1e9:,.1f} GB more, and "
        f"{share:.0%} more time of `extract`. The table is without them.",
        "",
    ]


def _machine_lines(result: dict) -> list[str]:
    lines = [
        f"## Time on {result['device']}",
        "",
        f"{result['workers']} workers, JAX {result['jax']}.",
        "",
        "| stage | measured | frames a second | UCF101 |",
        "|---|---|---|---|",
    ]
    for name, row in result["stages"].items():
        rate = row["frames_per_second"]
        measured = f"{row['frames']:,} frames in {row['seconds']:,.0f} s"
        lines.append(f"| {TITLES[name]} | {measured} | {rate:,.1f} | {_duration(PAIRS / rate)} |")
    lines += [
        "",
        "| training, preset `paper` | measured | frames a second | whole training |",
        "|---|---|---|---|",
    ]
    backbone, model = result["training"]["vgg16"], result["training"]["videolstm"]
    lines.append(
        _training_line(
            f"VGG-16, one stream, {BACKBONE.steps:,} steps of {BACKBONE.batch} frames",
            f"{backbone['batch']} frames",
            backbone,
            BACKBONE,
        )
    )
    lines.append(
        _training_line(
            f"VideoLSTM, {RECURRENT.steps:,} steps of {RECURRENT.batch} clips of "
            f"{RECURRENT.frames} frames",
            f"{model['batch']} clips of {model['frames']} frames",
            model,
            RECURRENT,
        )
    )
    return [*lines, ""]


def _training_line(title: str, batch: str, measured: dict, training: Training) -> str:
    seconds_a_frame = measured["seconds_a_frame"]
    step = f"a step of {batch} in {measured['seconds_a_step']:.2f} s"
    duration = _duration(training.total_frames * seconds_a_frame)
    return f"| {title} | {step} | {1 / seconds_a_frame:,.1f} | {duration} |"


def _duration(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 36e4:  # up to 100 hours
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def read_results(folder: pathlib.Path) -> list[dict]:
    """Returns the results of every machine, the CPU's first."""
    paths = sorted(
        folder.glob("full_size_*.json"), key=lambda path: ("cpu" not in path.name, path.name)
    )
    return [json.loads(path.read_text()) for path in paths]


def main() -> None:
    """Writes the page."""
    parser = command_line.page_parser(__doc__)
    parser.add_argument(
        "--results", default=str(RESULTS), help="folder of the results of benchmarks.full_size"
    )
    parser.add_argument("--page", default=str(ROOT / "docs" / "costs.md"), help="that is written")
    options = parser.parse_args()
    results = read_results(pathlib.Path(options.results))
    text = EMPTY
    if results:
        text = page(results).rstrip() + "\n"
    pathlib.Path(options.page).write_text(text)
    print(f"costs: wrote {options.page}")


if __name__ == "__main__":
    main()
