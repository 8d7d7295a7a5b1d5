"""Writes docs/costs.md: what UCF101 costs in disk and hours, worked out from the results of
`benchmarks.full_size`.

Run from the root of the checkout: python -m benchmarks.costs.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).parents[1]
VIDEOS, FRAMES = 13_320, 2_500_000
"""Of UCF101; 27 hours at 25 frames a second. Every video has one pair, and one frame of features,
less than frames.
"""
CONVNET = (20_000, 64)
"""Steps and frames a step of fitting a ConvNet, the preset `paper`."""
RECURRENT = (20_000, 128, 30)
"""Steps, clips a step and frames a clip of training a cell, the preset `paper` (Sec. 5.2)."""
TITLES = {
    "decode and check": "decoding and checking every video (`prepare --flow.online`)",
    "prepare": "`prepare`: decoding and TV-L1 at 340x256, JPEG files",
    "extract rgb": "`extract`, RGB",
    "extract flow": "`extract`, flow",
    "extract online": "`extract --flow.online`: flow and both streams at once",
}

HEAD = """# What it costs

Measured, then multiplied: the first frames of {clips} real clips of UCF101, HMDB51 and a set of surveillance videos
({sizes} sizes, from {smallest} to {largest} pixels) go through `prepare` and `extract` at the paper's sizes, flow at
340x256 and VGG-16 at 224x224, and a training step of each model is timed. UCF101 has {videos:,} videos and about
{frames:,} frames; a stage's rate counts everything in it, compiling too. Split what is in hours among machines with
`launch.extract --shard=i/n`. This page is written by `python -m benchmarks.costs` from
`benchmarks/results/full_size_*.json`, which `python -m benchmarks.full_size --data DIR` measures.
"""

EMPTY = """# What it costs

Nothing has been measured on this checkout yet: `python -m benchmarks.full_size --data DIR`, then `python -m
benchmarks.costs`, fill this page.
"""


def page(results: Sequence[dict]) -> str:
    """The page in Markdown; one section a machine, and one of disk space, which is the same on all.

    Raises:
      ValueError: there are no results.
    """
    if not results:
        raise ValueError("no results; run python -m benchmarks.full_size --data DIR first")
    first = results[0]
    sizes = sorted((int(w) * int(h), size) for size in first["sizes"] for w, h in [size.split("x")])
    text = HEAD.format(
        clips=first["clips"],
        sizes=len(sizes),
        smallest=sizes[0][1],
        largest=sizes[-1][1],
        videos=VIDEOS,
        frames=FRAMES,
    )
    return "\n".join(
        [text, *_disk(first), *(line for result in results for line in _machine(result))]
    )


def _disk(result: dict) -> list[str]:
    each = result["bytes_per_frame"]
    pairs = FRAMES - VIDEOS
    rows = [
        ("flow images, both components", each["flow"]),
        ("pool5 of one stream, float16", each["pool5"]),
        ("fc7 of one stream, float16", each["fc7"]),
        ("logits of one stream", each["logits"]),
    ]
    stored = each["flow"] + 2 * (each["pool5"] + each["fc7"] + each["logits"])
    rows += [
        ("all of it, both streams", stored),
        ("without flow images (`--flow.online`)", stored - each["flow"]),
    ]
    lines = ["## Disk", "", "| what | bytes a frame | UCF101 |", "|---|---|---|"]
    lines += [f"| {name} | {size:,.0f} | {size * pairs / 1e9:,.1f} GB |" for name, size in rows]
    return [*lines, "", "Half of the features' share with `--data.feature_dtype=uint8`.", ""]


def _machine(result: dict) -> list[str]:
    pairs = FRAMES - VIDEOS
    lines = [
        f"## Time on {result['device']}",
        "",
        f"{result['workers']} workers, JAX {result['jax']}.",
        "",
        "| stage | measured | frames a second | UCF101 |",
        "|---|---|---|---|",
    ]
    for name, row in result["stages"].items():
        lines.append(
            f"| {TITLES[name]} | {row['frames']:,} frames in {row['seconds']:,.0f} s | "
            f"{row['frames_per_second']:,.1f} | {_hours(pairs / row['frames_per_second'])} |"
        )
    training = result["training"]
    lines += [
        "",
        "| training, preset `paper` | measured | frames a second | whole training |",
        "|---|---|---|---|",
    ]
    for name, title, row, frames in (
        (
            "vgg16",
            f"VGG-16, one stream, {CONVNET[0]:,} steps of {CONVNET[1]} frames",
            f"{training['vgg16']['batch']} frames",
            CONVNET[0] * CONVNET[1],
        ),
        (
            "videolstm",
            f"VideoLSTM, {RECURRENT[0]:,} steps of {RECURRENT[1]} clips of {RECURRENT[2]} frames",
            f"{training['videolstm']['batch']} clips of {training['videolstm']['frames']} frames",
            RECURRENT[0] * RECURRENT[1] * RECURRENT[2],
        ),
    ):
        one = training[name]["seconds_a_frame"]
        lines.append(
            f"| {title} | a step of {row} in {training[name]['seconds_a_step']:.2f} s | {1 / one:,.1f} | "
            f"{_hours(frames * one)} |"
        )
    return [*lines, ""]


def _hours(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36e4 else f"{seconds / 86400:.1f} days"


def read(folder: pathlib.Path) -> list[dict]:
    """The results of every machine, the CPU's first."""
    paths = sorted(
        folder.glob("full_size_*.json"), key=lambda path: ("cpu" not in path.name, path.name)
    )
    return [json.loads(path.read_text()) for path in paths]


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", default=str(ROOT / "benchmarks" / "results"))
    parser.add_argument("--page", default=str(ROOT / "docs" / "costs.md"))
    args = parser.parse_args()
    found = read(pathlib.Path(args.results))
    pathlib.Path(args.page).write_text(page(found).rstrip() + "\n" if found else EMPTY)
    print(f"costs: wrote {args.page}")


if __name__ == "__main__":
    main()
