"""Draws docs/images/architecture.svg: the way of the data, and the layers of the packages.

python tools/draw_architecture.py
"""

import pathlib
from html import escape
from typing import NamedTuple

WIDTH = 1080
MARGIN = 20
# A letter of the names of packages, which are set at 12 pixels in a font of one width.
LETTER = 7.3
INK = "#1f2933"
QUIET = "#52606d"
LINE = "#9aa5b1"
DATA_FILL = "#e3f0ff"
MODEL_FILL = "#fdebd3"
PACKAGE_FILL = "#ffffff"
BAND_FILLS = ("#f1f4f8", "#e6ebf1")
PACKAGE_HEIGHT = 28
PACKAGE_GAP = 4

# A row of the way of the data: (name, content or shape, the stages that write it).
STEPS = (
    (
        ("videos", "a folder a class", ""),
        ("dataset.json", "classes, parts, frames", "prepare"),
        ("flow/", "images of TV-L1 flow", "prepare"),
        ("features/", "pool5, fc7 of each frame", "fit_convnet, extract"),
    ),
    (
        ("clips", "x [B, T, N, N, D], mask", "train, evaluate"),
        ("cell", "carry, attention, head", ""),
        ("scores, attention", "[L, C] and [L, N, N]", "evaluate"),
        ("tubes.jsonl", "a box on each frame", "localize"),
        ("index.html", "results and pictures", "report"),
    ),
)
MODEL_STEPS = {"cell"}

LAYERS = (
    ("6", "commands", ("launch", "cli")),
    ("5", "stages in order", ("paper", "sweep", "pipeline", "stages")),
    (
        "4",
        "trained models",
        ("backbone", "extraction", "trained", "training_start", "results"),
    ),
    (
        "3",
        "disk and learning",
        (
            "train",
            "features",
            "clips",
            "dataset",
            "annotations",
            "score_files",
            "flow_images",
            "video",
            "synthetic",
            "trajectories",
        ),
    ),
    (
        "2",
        "pure functions",
        (
            "core",
            "testing",
            "nn",
            "flow",
            "localize",
            "measure",
            "report",
            "shallow",
            "safe_readers",
        ),
    ),
    (
        "1",
        "files",
        (
            "workdir",
            "json_records",
            "files",
            "folders",
            "sealed_json",
            "numpy_files",
            "lock",
            "cluster",
            "progress_lines",
            "interrupts",
            "durable",
        ),
    ),
    (
        "0",
        "records, settings",
        ("types", "config", "presets", "square", "quantities", "installed", "errors"),
    ),
)


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def _rectangle(box: Box, fill: str, stroke: str) -> str:
    return (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
        f'rx="6" fill="{fill}" stroke="{stroke}"/>'
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}">{escape(text)}</text>'


def _arrow(points: list[tuple[float, float]]) -> str:
    path = ""
    for x, y in points:
        path += f" {x:g},{y:g}"
    return f'<polyline points="{path.strip()}" class="arrow" marker-end="url(#head)"/>'


def _data_row(row: tuple, top: float) -> list[str]:
    """Draws one row of boxes; the name of the stage that makes a box stands above it."""
    parts = []
    gap = 36
    # Boxes share what the arrows between them leave.
    width = (WIDTH - 2 * MARGIN - gap * (len(row) - 1)) / len(row)
    for index, (name, content, stage) in enumerate(row):
        box = Box(MARGIN + index * (width + gap), top, width, 52)
        fill = DATA_FILL
        if name in MODEL_STEPS:
            fill = MODEL_FILL
        middle = box.x + width / 2
        parts.append(_rectangle(box, fill, LINE))
        parts.append(_text(middle, top + 22, name, "name"))
        parts.append(_text(middle, top + 41, content, "small"))
        parts.append(_text(middle, top - 8, stage, "stage"))
        if index:
            parts.append(_arrow([(box.x - gap + 3, top + 26), (box.x - 4, top + 26)]))
    return parts


def _package_rows(packages: tuple[str, ...]) -> list[list[tuple[str, float, float]]]:
    """The packages of a layer in rows that fit the picture: (name, left edge, width)."""
    # The subject of a layer has 130 pixels, the longest of them at this size of text.
    begin = MARGIN + 176
    rows: list[list[tuple[str, float, float]]] = [[]]
    left = begin
    for package in packages:
        # As wide as its name: ten boxes of one width would be narrower than the longest name.
        width = LETTER * len(package) + 9
        if left + width > WIDTH - MARGIN:
            rows.append([])
            left = begin
        rows[-1].append((package, left, width))
        left += width + PACKAGE_GAP
    return rows


def _layer_height(index: int) -> float:
    """Pixels that a layer takes from top to bottom."""
    rows = len(_package_rows(LAYERS[index][2]))
    return 12 + rows * (PACKAGE_HEIGHT + PACKAGE_GAP) - PACKAGE_GAP


def _layer(index: int, top: float) -> list[str]:
    """Draws one layer: a band with its number, its subject and its packages."""
    number, subject, packages = LAYERS[index]
    height = _layer_height(index)
    band = Box(MARGIN, top, WIDTH - 2 * MARGIN, height)
    parts = [_rectangle(band, BAND_FILLS[index % 2], "none")]
    parts.append(_text(MARGIN + 20, top + height / 2 + 5, number, "name"))
    parts.append(_text(MARGIN + 42, top + height / 2 + 5, subject, "left"))
    row_top = top + 6
    for row in _package_rows(packages):
        for package, left, width in row:
            parts.append(_rectangle(Box(left, row_top, width, PACKAGE_HEIGHT), PACKAGE_FILL, LINE))
            middle = row_top + PACKAGE_HEIGHT / 2 + 5
            parts.append(_text(left + width / 2, middle, package, "package"))
        row_top += PACKAGE_HEIGHT + PACKAGE_GAP
    return parts


def draw() -> str:
    """Returns the picture as the text of an SVG file."""
    parts = [_text(MARGIN, 30, "The way of the data", "title")]
    first, second = 70, 176
    parts += _data_row(STEPS[0], first)
    parts += _data_row(STEPS[1], second)

    # The last box of the first row leads to the first box of the second.
    turn = (first + 52 + second - 22) / 2
    right = WIDTH - MARGIN - 110
    left = MARGIN + 12
    parts.append(
        _arrow([(right, first + 54), (right, turn), (left, turn), (left, second - 4)]),
    )

    top = 270
    parts.append(_text(MARGIN, top, "The packages: imports point down only", "title"))
    layer_top = top + 14.0
    for index in range(len(LAYERS)):
        parts += _layer(index, layer_top)
        layer_top += _layer_height(index) + 4
    total_height = layer_top + 12

    style = f"""
text {{ font-family: "DejaVu Sans", Arial, sans-serif; font-size: 13px; fill: {INK} }}
.title {{ font-size: 16px; font-weight: bold }}
.name {{ font-weight: bold; text-anchor: middle }}
.package {{ text-anchor: middle; font-family: "DejaVu Sans Mono", monospace; font-size: 12px }}
.small {{ font-size: 11.5px; fill: {QUIET}; text-anchor: middle }}
.stage {{ font-family: "DejaVu Sans Mono", monospace; font-size: 11.5px; text-anchor: middle }}
.left {{ fill: {QUIET} }}
.arrow {{ fill: none; stroke: {QUIET}; stroke-width: 1.4 }}"""
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="{QUIET}"/></marker>'
        "</defs>"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total_height:g}" '
        f'width="{WIDTH}" height="{total_height:g}">',
        "<title>The way of the data, and the layers of the packages</title>",
        f"<style>{style}\n</style>",
        head,
        f'<rect width="{WIDTH}" height="{total_height:g}" fill="#ffffff"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    picture = pathlib.Path(__file__).parents[1] / "docs" / "images" / "architecture.svg"
    picture.write_text(draw(), encoding="utf-8")
