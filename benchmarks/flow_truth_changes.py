"""How much does each change of TV-L1 lower the error of optical flow?

    python -m benchmarks.flow_truth_changes --truth=FOLDER

Measures the variants of `benchmarks/changed_tvl1.py`: those that change one thing, and those that
add to the changes of row (A). They get the pairs with true flow of `benchmarks/flow_pairs.py` below
FOLDER, and drawn pairs (`benchmarks/known_motion.py`). Prints two tables of the mean end-point
error in pixels: every variant on the pairs with true flow, and the default, `tvl1_edges` and the
candidate on the drawn pairs. With --authors, a folder of the frames image_*.jpg and of the flow
images flow_x_*.jpg and flow_y_*.jpg of a video of the paper's authors, it also prints how far these
three are from those images.
Results: benchmarks/results/flow_truth_changes_<backend>.json.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

import jax
import numpy as np
from PIL import Image

from benchmarks import changed_tvl1, command_line, flow_pairs, flow_truth, known_motion, record
from benchmarks.changed_tvl1 import CANDIDATE, EDGES, A, Changes, falling
from videolstm_jax.flow import image

Figures = dict[str, dict[str, float]]
"""Mean errors by variant and by pair or field."""

DEFAULT = "default"
METHOD = "A, edges, lambda .2, factor .8, blur .1"
"""The row of the package's `tvl1_edges`."""
_AT_EDGES = A._replace(edge_rate=5.0)
_BLURRED = _AT_EDGES._replace(blur=0.1)
_DEFAULT_WEIGHTS = Changes().weights

VARIANTS = {
    DEFAULT: Changes(),
    "lambda .07": Changes(weights=falling(0.07, 1)),
    "lambda .25": Changes(weights=falling(0.25, 1)),
    "gradient from five points": Changes(five_points=True),
    "smaller penalty at edges, rate 5": Changes(edge_rate=5.0),
    "3-tap blur, share .1": Changes(blur=0.1),
    "five points, mean gradient of both pictures (A)": A,
    "A, lambda .07 at all but the two finest scales": A._replace(
        weights=_DEFAULT_WEIGHTS[:2] + (0.07,) * 3
    ),
    "A, structure-texture (.95)": A._replace(texture=0.95),
    "A, structure-texture (.5)": A._replace(texture=0.5),
    "A, 10 warps": A._replace(warps=10),
    "A, 50 iterations": A._replace(iterations=50),
    "A, slack .01": A._replace(slack=0.01),
    "A, slack .1": A._replace(slack=0.1),
    "A, edges, lambda .08": _AT_EDGES._replace(weights=falling(0.08, 1)),
    "A, edges, lambda .1": _AT_EDGES._replace(weights=falling(0.1, 1)),
    "A, edges, lambda .1, blur .1": _BLURRED._replace(weights=falling(0.1, 1)),
    "A, edges, lambda .15, factor .7, blur .1": _BLURRED._replace(weights=falling(0.15, 0.7)),
    "A, edges, lambda .2, factor .7, blur .1": _BLURRED._replace(weights=falling(0.2, 0.7)),
    METHOD: EDGES,
    "A, edges, lambda .25, factor .7, blur .1": _BLURRED._replace(weights=falling(0.25, 0.7)),
    "candidate": CANDIDATE,
}
"""The rows of the table; `factor` is lambda of a scale over that of the next finer one."""

DRAWN = {
    DEFAULT: Changes(),
    "candidate with half of the first picture's gradient": EDGES,
    "candidate": CANDIDATE,
}
"""The variants that are measured on drawn pairs."""

SEEDS = (0, 1)
"""Of the textures of the drawn pairs."""


def real_pairs(folder: pathlib.Path, pairs: Iterable[str]) -> Figures:
    """Returns the mean error of every variant on the pairs with these names."""
    errors: Figures = {variant: {} for variant in VARIANTS}
    for name in pairs:
        print(f"measuring {name}", flush=True)
        pair = flow_pairs.PAIRS[name]
        first = flow_pairs.read_grey(folder / pair.first)
        second = flow_pairs.read_grey(folder / pair.second)
        truth = flow_pairs.read_truth(folder / pair.truth)
        for variant, changes in VARIANTS.items():
            flow = changed_tvl1.changed_flow(first, second, changes)
            errors[variant][name] = flow_truth.errors(flow, truth, None)["mean"]
    return errors


def drawn_pairs(fields: Iterable[str]) -> Figures:
    """Returns the mean errors on the fields with these names, over the textures of all seeds."""
    errors: Figures = {variant: {} for variant in DRAWN}
    for name in fields:
        pairs = [known_motion.known_motion(known_motion.FIELDS[name], seed) for seed in SEEDS]
        for variant, changes in DRAWN.items():
            means = []
            for first, second, truth in pairs:
                flow = changed_tvl1.changed_flow(first, second, changes)
                means.append(np.linalg.norm(flow - truth, axis=-1).mean())
            errors[variant][name] = round(float(np.mean(means)), 4)
    return errors


def authors_distance(folder: pathlib.Path) -> Figures:
    """Returns the mean distance to the authors' flow images in grey levels, every sixth pair.

    These are the pairs of `tests/test_tvl1.py`. Pair 30 is left out: it crosses a cut, where no
    flow is right.
    """
    distances = {}
    frames, flow_x, flow_y = (
        [np.asarray(Image.open(path).convert("L")) for path in sorted(folder.glob(pattern))]
        for pattern in ("image_*.jpg", "flow_x_*.jpg", "flow_y_*.jpg")
    )
    chosen = [number for number in range(0, len(flow_x), 6) if number != 30]
    for variant in (DEFAULT, METHOD, "candidate"):
        means = []
        for number in chosen:
            flow = changed_tvl1.changed_flow(frames[number], frames[number + 1], VARIANTS[variant])
            ours = image.flow_to_image(flow, image.PAPER_BOUND).astype(float)
            theirs = np.stack([flow_x[number], flow_y[number]], -1)
            means.append(np.abs(ours - theirs).mean((0, 1)))
        x, y = np.mean(means, 0)
        distances[variant] = {"x": round(float(x), 2), "y": round(float(y), 2)}
    return distances


def table(figures: Figures, digits: int) -> str:
    """Returns a Markdown table of figures by variant; those above the default's are bold."""
    columns = list(figures[DEFAULT])
    rows = [f"| constants | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for variant, by_column in figures.items():
        cells = [variant]
        for column in columns:
            cell = f"{by_column[column]:.{digits}f}"
            if by_column[column] > figures[DEFAULT][column]:
                cell = f"**{cell}**"
            cells.append(cell)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Measures every variant, prints the tables and writes the figures."""
    parser = command_line.parser(__doc__, name="flow_truth_changes")
    parser.add_argument("--truth", required=True, help="the folder of the pairs")
    parser.add_argument("--authors", default="", help="a folder of the authors' flow images")
    options = parser.parse_args()
    for flag in ("truth", "authors"):
        folder = getattr(options, flag)
        if folder and not pathlib.Path(folder).is_dir():
            parser.error(f"--{flag}={folder} is no folder; expected a folder of pictures")
    figures = {
        "jax": jax.__version__,
        "pairs": real_pairs(pathlib.Path(options.truth), flow_pairs.PAIRS),
        "drawn": drawn_pairs(known_motion.FIELDS),
    }
    if options.authors:
        figures["authors"] = authors_distance(pathlib.Path(options.authors))
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)
    print(table(figures["pairs"], 3))
    print(table(figures["drawn"], 4))
    for variant, distance in figures.get("authors", {}).items():
        print(f"{variant}: {distance['x']} and {distance['y']} grey levels from the authors'")


if __name__ == "__main__":
    main()
