"""Which map, made with class labels only, shows best where the action is?

Run from the root of the checkout:
    python -m benchmarks.localizer_inputs --name=demo --work=work/demo --runs=videolstm-rgb
    python -m benchmarks.localizer_inputs --name=weizmann --work="work/weizmann/without-*"
    --runs=videolstm-rgb
Every test video is passed through the trained model once more. Boxes are made of each map by its
moments, as with `localize.box=moments`. "a, b" is the geometric mean of two maps. The class is the
one that the model predicts. No map is chosen by the truth: every map that was tried is in the
table, under the name that it has in the committed results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import command_line, record
from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, ModelConfig
from videolstm_jax.core import bind, engines, find_cell, unroll
from videolstm_jax.core.cell import Cell
from videolstm_jax.core.head import classify
from videolstm_jax.core.model import make_model
from videolstm_jax.core.ops import attention, expect, lstm, total, weigh
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.localize.baselines import centred_tube, maps_as_attention
from videolstm_jax.localize.inputs import (
    localizer_flow_without_camera,
    localizer_input,
    localizer_input_of_flow,
)
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.measure.intervals import mean_interval, paired_interval
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.trained.functions import as_model_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Carry, CellOut, Clip, Inputs, Tube, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

MOMENTS = LocalizeConfig(box="moments", sigma=0.0)
REGION = LocalizeConfig()
CENTRED = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Sides of the centred boxes, as fractions of the frame's sides."""


class ProbedDrive(NamedTuple):
    """A frame's `Drive`, and the `probe` [B, N, N, 1] that is added to its attention.

    The probe is zero: it is there to have the derivative by the attention.
    """

    drive: Any
    probe: Any


class ModelMaps(NamedTuple):
    """The maps of one video that need the model, for T frames.

    `attention` [T, N, N]; `hidden` [T, N, N, K], or [T, 1, 1, K] of cells whose state is a vector;
    `by_attention` and `by_hidden`, the derivatives of the class score by them; `features`
    [T, N, N], the size of the features.
    """

    attention: np.ndarray
    by_attention: np.ndarray
    hidden: np.ndarray
    by_hidden: np.ndarray
    features: np.ndarray


class VideoOverlaps(NamedTuple):
    """The mean frame `iou` of one video by the name of the map, or baseline, that boxes are of."""

    video: str
    iou: Mapping[str, float]


# ---- the model -----------------------------------------------------------------------------------


def probed_cell(name: str) -> Cell:
    """Returns the cell with a probe of its attention; it reads (Inputs, probe [B, T, N, N])."""
    cell = find_cell(name)
    read = weigh
    if cell.vector:
        read = expect

    def drive(conv, p, xs):
        inputs, probe = xs
        return ProbedDrive(cell.drive(conv, p, inputs), probe[..., None])

    # The step of the cells in core/cells.py, written out, since the probe is added in its middle.
    def step(conv, p, carry, d):
        query, motion, frame = carry.top.hidden, carry.motion, d.drive
        if cell.layers.motion:
            above = conv(p.motion.above, carry.top.hidden)
            recurrent = conv(p.motion.hidden, carry.motion.hidden)
            motion = lstm(carry.motion, total(p.motion.bias, frame.motion, recurrent, above))
            query = motion.hidden
        a = attention(p.attend, frame.query, query) + d.probe
        x = conv(p.top.x, read(a, frame.x))
        z = total(p.top.bias, x, conv(p.top.hidden, carry.top.hidden))
        top = lstm(carry.top, z)
        return Carry(top, motion), CellOut(top.hidden, a[..., 0])

    return cell._replace(drive=drive, step=step)


def probed_model(model: ModelConfig) -> Callable:
    """Returns a compiled function from (params, clip, class) to the `ModelMaps` of one clip."""
    conv = engines.convolution_in_scan(model.engine)
    cell = bind(probed_cell(model.cell), conv, drive_conv=engines.native_convolution)
    start = make_model(model).start

    @jax.jit
    def compute(params, clip, label):
        frames, side = clip.mask.shape[1], clip.inputs.x.shape[2]
        exists = clip.mask[0].astype(jnp.float32)

        def class_score(attention_probe, hidden_probe):
            inputs = (clip.inputs, attention_probe)
            _, out = unroll(cell, params.cell, start(params, clip), inputs, clip.mask)
            logits = classify(params.head, out.hidden + hidden_probe)
            return jnp.sum(jax.nn.log_softmax(logits)[0, :, label] * exists), out

        attention_probe = jnp.zeros((1, frames, side, side))
        hidden = jax.eval_shape(lambda: class_score(attention_probe, 0.0))[1].hidden
        hidden_probe = jnp.zeros(hidden.shape, hidden.dtype)
        gradient = jax.grad(class_score, (0, 1), has_aux=True)
        (by_attention, by_hidden), out = gradient(attention_probe, hidden_probe)
        features = jnp.abs(clip.inputs.x[0]).mean(-1)
        return ModelMaps(out.attention[0], by_attention[0], out.hidden[0], by_hidden[0], features)

    return compute


# ---- maps and boxes ------------------------------------------------------------------------------


def candidate_maps(model: ModelMaps, flow: np.ndarray, camera_free: np.ndarray) -> dict:
    """Combines the maps of one video in every way that was tried.

    Args:
      model: the maps that need the model.
      flow: [T, N, N] flow magnitude as attention.
      camera_free: [T, N, N] that of the flow without the camera's motion.

    Returns:
      [T, N, N] by name; each map sums to 1.
    """
    a, by_a, x = model.attention, model.by_attention, model.features
    gain = np.maximum(a * by_a, 0)
    maps = {
        "attention": a,
        "features": x,
        "passed: attention x features": a * x,
        "gradient of the class by attention": np.maximum(by_a, 0),
        "class evidence of attention": gain,
        "attention x absolute gradient": a * np.abs(by_a),
        "attention, class evidence": np.sqrt(a * gain),
        "flow": flow,
        "flow against the camera": camera_free,
        "attention, flow": np.sqrt(a * flow),
        "attention, flow against the camera": np.sqrt(a * camera_free),
        "mean of attention and flow against the camera": (a + camera_free) / 2,
        "attention x flow against the camera": a * camera_free,
        "moving: passed, flow against the camera": localizer_input("motion", a, x, camera_free),
    }
    if model.hidden.shape[1:3] == a.shape[1:3]:
        state = np.abs(model.hidden).mean(-1)
        # Grad-CAM's weights, place by place.
        cam = np.maximum((model.hidden * model.by_hidden).sum(-1), 0)
        maps |= {
            "hidden state": state,
            "attention, hidden state": np.sqrt(a * state),
            "attention x hidden state": a * state,
            "class evidence of the hidden state": cam,
            "attention, class evidence of the hidden state": np.sqrt(a * cam),
        }
    as_maps = {}
    for name, values in maps.items():
        as_maps[name] = maps_as_attention(values)
    return as_maps


def candidate_tubes(maps: Mapping[str, np.ndarray], video: Video, fit: str) -> dict[str, Tube]:
    """Makes a tube of every map and of every centred box of one video, by name."""
    size = video.height, video.width
    tubes = {}
    for name, values in maps.items():
        tubes[name] = video_tube(values, size, video.frames, settings=MOMENTS, fit=fit)
        if name == "attention":
            region = video_tube(values, size, video.frames, settings=REGION, fit=fit)
            tubes["attention, region"] = region
    for fraction in CENTRED:
        tubes[f"centred {fraction}"] = centred_tube(size, video.frames, fraction)
    return tubes


def measure(folder: str, run: str) -> list[VideoOverlaps]:
    """Measures every map on the test videos with truth of one work folder."""
    work = Workdir(folder)
    trained = TrainedModel.of_run(work, run)
    fit = trained.place.fit
    truth: dict[str, list[Tube]] = {}
    for detection in load_detections(work.truth):
        truth.setdefault(detection.video, []).append(detection.tube)
    tests = load_dataset(work.dataset).part("test")
    videos = [video for video in tests if video.name in truth]
    stores = list(trained.open_features(work).by_input().values())
    # All videos are padded to one length, so that the model is compiled once.
    lengths = [stores[0].frames[video.name] for video in videos]
    longest = max(lengths)
    compute = probed_model(trained.config)
    overlaps = []
    for video, length in zip(videos, lengths, strict=True):
        arrays = []
        for store in stores:
            array = store.read(video.name, 0, length)
            padding = [(0, longest - length)] + [(0, 0)] * len(store.shape)
            arrays.append(np.pad(array, padding)[None])
        inputs = as_model_inputs(Inputs(*arrays), trained.scales)
        (scores,) = files.read_arrays(
            work.evaluated_video(run, video.name), "scores", made_by="evaluate"
        )
        clip = Clip(inputs, np.arange(longest)[None] < length)
        # The class that the run predicts: the true one would look at the answer.
        computed = compute(trained.params, clip, scores.mean(0).argmax())
        # Beyond its length a video is padding.
        model = ModelMaps(*[np.asarray(array[:length], np.float64) for array in computed])
        images = read_flow(work.flow / f"{video.name}.zip")
        cells = model.attention.shape[1]
        magnitude = localizer_input_of_flow(images, cells, fit)
        maps = candidate_maps(model, magnitude, localizer_flow_without_camera(images, cells, fit))
        iou = {}
        for name, tube in candidate_tubes(maps, video, fit).items():
            iou[name] = float(frame_overlaps(tube, truth[video.name]).mean())
        overlaps.append(VideoOverlaps(video.name, iou))
    return overlaps


# ---- the table -----------------------------------------------------------------------------------


def table(overlaps: Sequence[VideoOverlaps]) -> dict[str, dict[str, Any]]:
    """Compares the mean frame IoU of every map with attention and with the best centred box."""
    columns = {}
    for name in overlaps[0].iou:
        columns[name] = np.array([video.iou[name] for video in overlaps])
    centred = [name for name in columns if name.startswith("centred")]
    # The size that fits the truth best: as strong a baseline as a still box in the middle can be.
    best = max(centred, key=lambda name: columns[name].mean())
    rows = {}
    for name, values in columns.items():
        if name in centred and name != best:
            continue
        rows[name] = {
            "frame_iou": mean_interval(values)._asdict(),
            "minus_attention": paired_interval(values, columns["attention"])._asdict(),
            "minus_best_centred": paired_interval(values, columns[best])._asdict(),
        }
    return rows


def main() -> None:
    """Prints the table of every run and writes results/localizer_inputs_<name>.json."""
    arguments = command_line.finished_runs(command_line.parser(__doc__))
    runs = {}
    for run in arguments.runs:
        overlaps = []
        for folder in arguments.folders:
            overlaps.extend(measure(folder, run))
        rows = table(overlaps)
        runs[run] = {"videos": len(overlaps), "rows": rows}
        print(f"{run}, {len(overlaps)} videos")
        for name, row in rows.items():
            cells = [_interval(row["frame_iou"])]
            for key in ("minus_attention", "minus_best_centred"):
                cells.append(_interval(row[key], "+"))
            print(f"  {name:50s} {'  '.join(cells)}")
    result = {"question": command_line.question(__doc__), "runs": runs}
    record.save(f"localizer_inputs_{arguments.name}", result, arguments.out)


def _interval(value: Mapping[str, float], sign: str = "") -> str:
    return f"{value['value']:{sign}.3f} ({value['low']:{sign}.3f} {value['high']:{sign}.3f})"


if __name__ == "__main__":
    main()
