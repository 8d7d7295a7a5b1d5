"""Which maps made with class labels only say best where the action is: attention, or what the
network makes of it?

Run from the root of the checkout:
    python -m benchmarks.localizer_inputs --name=demo --work=work/demo --runs=videolstm-rgb python -m
    benchmarks.localizer_inputs --name=weizmann --work="work/weizmann/without-*" --runs=videolstm-rgb
Every test video is passed through the trained run once more, and boxes are made of each map by its
moments, as `localize.box=moments` does. "a, b" is the geometric mean of two maps; the class is the
one the run predicts. Nothing is chosen by the truth: every map that was tried is in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import record
from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig, ModelConfig
from videolstm_jax.core import bind, engines, find_cell, unroll
from videolstm_jax.core.cells import Cell
from videolstm_jax.core.head import classify
from videolstm_jax.core.model import make_model
from videolstm_jax.core.ops import attention, expect, lstm, total, weigh
from videolstm_jax.localize import baselines
from videolstm_jax.localize.baselines import as_attention
from videolstm_jax.localize.inputs import camera_free_flow, flow_magnitude, localizer_input
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.measure.accuracy import mean_interval, paired_interval
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.trained.functions import as_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Carry, CellOut, Clip, Inputs
from videolstm_jax.video.flow_file import read_flow

MOMENTS = LocalizeConfig(box="moments", sigma=0.0)
REGION = LocalizeConfig()


class Poked(NamedTuple):
    """A frame's `Drive` with `more`, what is added to its attention: zero, so that gradients can be
    asked for.
    """

    drive: Any
    more: Any


def poked(name: str) -> Cell:
    """The cell whose attention, [B, T, N, N] in the inputs' third field, can be differentiated by."""
    own, read = find_cell(name), expect if find_cell(name).vector else weigh

    def drive(conv, p, xs):
        inputs, more = xs
        return Poked(own.drive(conv, p, inputs), more[..., None])

    def step(conv, p, carry, d):
        asks, after, frame = carry.top.hidden, carry.motion, d.drive
        if own.layers.motion:
            above = conv(p.motion.above, carry.top.hidden)
            after = lstm(
                carry.motion,
                total(
                    p.motion.bias, frame.motion, conv(p.motion.hidden, carry.motion.hidden), above
                ),
            )
            asks = after.hidden
        a = attention(p.attend, frame.query, asks) + d.more
        z = total(p.top.bias, conv(p.top.x, read(a, frame.x)), conv(p.top.hidden, carry.top.hidden))
        top = lstm(carry.top, z)
        return Carry(top, after), CellOut(top.hidden, a[..., 0])

    return own._replace(drive=drive, step=step)


def looker(model: ModelConfig) -> Callable:
    """(params, clip, class) to the maps of one clip [1, T, ..], each [T, N, N], jitted."""
    conv = engines.in_scan(model.engine)
    cell = bind(poked(model.cell), conv, drive_conv=engines.native)
    start = make_model(model).start

    @jax.jit
    def look(params, clip, label):
        frames, side = clip.mask.shape[1], clip.inputs.x.shape[2]
        exists = clip.mask[0].astype(jnp.float32)

        def score(more, poke):
            _, out = unroll(cell, params.cell, start(params, clip), (clip.inputs, more), clip.mask)
            logits = classify(params.head, out.hidden + poke)
            return jnp.sum(jax.nn.log_softmax(logits)[0, :, label] * exists), out

        more = jnp.zeros((1, frames, side, side))
        hidden = jax.eval_shape(lambda: score(more, 0.0))[1].hidden
        (by_attention, by_hidden), out = jax.grad(score, (0, 1), has_aux=True)(
            more, jnp.zeros(hidden.shape, hidden.dtype)
        )
        return (
            out.attention[0],
            by_attention[0],
            out.hidden[0],
            by_hidden[0],
            jnp.abs(clip.inputs.x[0]).mean(-1),
        )

    return look


def maps(
    a: np.ndarray,
    da: np.ndarray,
    h: np.ndarray,
    dh: np.ndarray,
    x: np.ndarray,
    flow: np.ndarray,
    against: np.ndarray,
) -> dict[str, np.ndarray]:
    """All maps of one video, [T, N, N] each, by name.

    Args:
      a: attention.
      da: the derivative of the class score by it.
      h: the hidden state, [T, N, N, K], or [T, 1, 1, K] of cells whose state is a vector.
      dh: the derivative of the class score by it.
      x: the size of the features.
      flow: flow magnitude, in shares.
      against: that of the flow against the camera's.
    """
    gain, passed = np.maximum(a * da, 0), a * x
    made = {
        "attention": a,
        "features": x,
        "passed: attention x features": passed,
        "gradient of the class by attention": np.maximum(da, 0),
        "class evidence of attention": gain,
        "attention x absolute gradient": a * np.abs(da),
        "attention, class evidence": np.sqrt(a * gain),
        "flow": flow,
        "flow against the camera": against,
        "attention, flow": np.sqrt(a * flow),
        "attention, flow against the camera": np.sqrt(a * against),
        "mean of attention and flow against the camera": (a + against) / 2,
        "attention x flow against the camera": a * against,
        "moving: passed, flow against the camera": localizer_input("motion", a, x, against),
    }
    if h.shape[1:3] == a.shape[1:3]:
        state, cam = np.abs(h).mean(-1), np.maximum((h * dh).sum(-1), 0)
        made |= {
            "hidden state": state,
            "attention, hidden state": np.sqrt(a * state),
            "attention x hidden state": a * state,
            "class evidence of the hidden state": cam,
            "attention, class evidence of the hidden state": np.sqrt(a * cam),
        }
    return {name: as_attention(one) for name, one in made.items()}


class Found(NamedTuple):
    """One video: `iou` of every map's boxes and of every floor's, by name."""

    video: str
    iou: Mapping[str, float]


def measured(folder: str, run: str) -> list[Found]:
    """The test videos with truth of one work folder."""
    work = Workdir(folder)
    trained = TrainedModel.of_run(work, run)
    truth: dict[str, list] = {}
    for one in artifacts.load_detections(work.truth):
        truth.setdefault(one.video, []).append(one.tube)
    videos = [
        one
        for one in artifacts.load_dataset(work.dataset).videos
        if one.part == "test" and one.name in truth
    ]
    stores = list(trained.open_features(work).by_input().values())
    longest = max(stores[0].frames[one.name] for one in videos)
    look, found = looker(trained.config), []
    for video in videos:
        length = stores[0].frames[video.name]
        arrays = [
            np.pad(
                store.read(video.name, 0, length),
                [(0, longest - length)] + [(0, 0)] * len(store.shape),
            )
            for store in stores
        ]
        inputs = as_inputs(Inputs(*(array[None] for array in arrays)), trained.scales)
        (scores,) = files.read_arrays(work.passes(run, video.name), "scores", made_by="evaluate")
        seen = look(
            trained.params, Clip(inputs, np.arange(longest)[None] < length), scores.mean(0).argmax()
        )
        seen = [np.asarray(one[:length], np.float64) for one in seen]
        size = video.height, video.width
        images = read_flow(work.flow / f"{video.name}.zip")
        made = maps(
            *seen, *(of(images, seen[0].shape[1]) for of in (flow_magnitude, camera_free_flow))
        )
        tubes = {
            f"{name}{tail}": video_tube(one, size, video.frames, settings=how)
            for name, one in made.items()
            for tail, how in (("", MOMENTS), (", region", REGION))
            if how is MOMENTS or name == "attention"
        }
        tubes |= {
            f"centred {share}": baselines.centred_tube(size, video.frames, share)
            for share in (0.3, 0.4, 0.5, 0.6, 0.7)
        }
        found.append(
            Found(
                video.name,
                {
                    name: float(frame_overlaps(tube, truth[video.name]).mean())
                    for name, tube in tubes.items()
                },
            )
        )
    return found


def table(found: Sequence[Found]) -> dict[str, dict[str, Any]]:
    """Mean frame IoU of every map, and what it has above attention and above the best centred box."""
    columns = {name: np.array([one.iou[name] for one in found]) for name in found[0].iou}
    best = max(
        (name for name in columns if name.startswith("centred")),
        key=lambda name: columns[name].mean(),
    )
    return {
        name: {
            "frame_iou": mean_interval(values)._asdict(),
            "minus_attention": paired_interval(values, columns["attention"])._asdict(),
            "minus_best_centred": paired_interval(values, columns[best])._asdict(),
        }
        for name, values in columns.items()
        if name == best or not name.startswith("centred")
    }


def main() -> None:
    """Prints the table of every run and writes results/localizer_inputs_<name>.json."""
    asked = record.finished_runs(__doc__)
    result = {}
    for run in asked.runs:
        found = [one for folder in asked.folders for one in measured(folder, run)]
        rows = result[run] = {"videos": len(found), "rows": table(found)}
        print(f"{run}, {len(found)} videos")
        for name, row in rows["rows"].items():
            print(
                f"  {name:50s} {_said(row['frame_iou'])}  {_said(row['minus_attention'], '+')}  "
                f"{_said(row['minus_best_centred'], '+')}"
            )
    record.save(
        f"localizer_inputs_{asked.name}", {"question": record.question(__doc__), "runs": result}
    )


def _said(value: Mapping[str, float], sign: str = "") -> str:
    return f"{value['value']:{sign}.3f} ({value['low']:{sign}.3f} {value['high']:{sign}.3f})"


if __name__ == "__main__":
    main()
