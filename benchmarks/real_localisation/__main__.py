"""`python -m benchmarks.real_localisation TASK ..`: see the docstring of the package."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, real_localisation, record
from benchmarks.real_localisation import cells, figure, frame_maps, label_free, overlaps, tasks
from benchmarks.real_localisation.overlaps import Measured
from benchmarks.real_localisation.read_outs import MOMENTS, READ_OUTS, tube_of
from benchmarks.real_localisation.tasks import Fold
from videolstm_jax.annotations.workdir_truth import read_true_tubes
from videolstm_jax.config import RunConfig
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.localize.foreground import foreground_maps
from videolstm_jax.localize.inputs import localizer_flow_without_camera, localizer_input
from videolstm_jax.presets import Settings
from videolstm_jax.types import Tube, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir


def main() -> None:
    """Runs a task and writes its results, or prints the table of a result file."""
    parser = command_line.parser(real_localisation.__doc__, name="real_localisation")
    parser.add_argument("task", choices=(*tasks.TASKS, "table", "figure"))
    parser.add_argument("--data", default="", help="folder of the videos; table: a result file")
    parser.add_argument("--workdir", default="", help="folder of everything that is computed")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each recurrent model")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no training after so many"
    )
    options = parser.parse_args()
    if options.task == "table":
        figures = json.loads(pathlib.Path(options.data).read_text())
        print(overlaps.table(figures["rows"]))
        return
    if not options.workdir:
        parser.error("--workdir is missing; expected the folder of everything that is computed")
    if options.task == "figure":
        draw(options.workdir)
        return
    stop = time.monotonic() + 60 * options.minutes
    # The folds and seeds of a row have the same shapes, so each program is compiled once.
    jax.config.update("jax_compilation_cache_dir", f"{options.workdir}/compiled")
    figures = run(options.task, options.workdir, options.data, range(options.seeds), stop)
    figures = {"question": command_line.question(real_localisation.__doc__), **figures}
    record.save(f"{options.name}_{options.task}", figures, options.out)
    print(overlaps.table(figures["rows"]))


def run(name: str, workdir: str, data: str, seeds: Sequence[int], stop: float) -> dict[str, Any]:
    """Computes what is missing, and measures every row of a task."""
    task = tasks.TASKS[name]
    folder = f"{workdir}/{name}"
    settings = tasks.prepared(task, folder, data)
    folds = tasks.folds_of(task, folder)
    sources = cells.Sources(pathlib.Path(folder) / "arrays", Workdir(folder))
    cfg = settings.for_stream("rgb").config()
    frame_maps.extract(cfg, tasks.clips_of(folds), sources.arrays)
    dataset = load_dataset(sources.work.dataset)
    measured = Measured(_true_tubes(sources.work, dataset))
    # Folds that were measured before; a row of them is as it was.
    measured.load(pathlib.Path(folder) / "rows_without_training.json")
    for fold in folds:
        if fold.test[0].name in measured.rows.get(overlaps.MEAN_BOX, {}):
            continue
        measured.add_baselines(fold.boxed, fold.test)
        for layer in frame_maps.LAYERS:
            _add_label_free(measured, sources, fold, layer, len(dataset.classes))
        print(f"{name}: {fold.name}", flush=True)
        measured.save(pathlib.Path(folder) / "rows_without_training.json")
    trained = _add_cells(measured, settings, sources, folds, seeds, stop)
    return {
        "cost_of_a_frame": _cost(cfg, pathlib.Path(workdir) / "cost.json"),
        "clips": {
            "train": len(folds[0].train),
            "recurrent": len(folds[0].recurrent),
            "test": sum(len(fold.test) for fold in folds),
        },
        "folds": len(folds),
        "settings": cells.TRAINING,
        "trained": trained,
        "rows": overlaps.as_record(measured.finished()),
    }


def draw(workdir: str) -> None:
    """Writes `<workdir>/foreground.png`, of the stick actions that were measured."""
    sheets = []
    for name in ("easy", "hard"):
        task, folder = tasks.TASKS[name], f"{workdir}/{name}"
        cfg = tasks.prepared(task, folder).for_stream("rgb").config()
        work = Workdir(folder)
        truth = _true_tubes(work, load_dataset(work.dataset))
        (fold,) = tasks.folds_of(task, folder)
        arrays = pathlib.Path(folder) / "arrays"
        sheets.append(figure.draw(fold, arrays, truth, frame_maps.frame_reader(cfg)))
    figure.save(sheets, pathlib.Path(workdir) / "foreground.png")


def _true_tubes(work: Workdir, dataset: Any) -> dict[str, list[Tube]]:
    tubes = {}
    for name, detections in read_true_tubes(work, dataset).items():
        tubes[name] = [detection.tube for detection in detections]
    return tubes


def _cost(cfg: RunConfig, path: pathlib.Path) -> dict[str, Any]:
    """The cost of a frame; measured once, since the programs of three networks are compiled."""
    if not path.exists():
        path.write_text(json.dumps(frame_maps.cost(cfg)))
    return json.loads(path.read_text())


# ---- rows ----------------------------------------------------------------------------------------


def row_name(layer: str, of: str, read_out: str) -> str:
    """The name of a row: the side of the map, what it shows, and how the box is made."""
    side = frame_maps.LAYERS[layer]
    return f"{side}x{side}: {of}, {read_out}"


def _features(sources: cells.Sources, layer: str, video: Video) -> np.ndarray:
    return np.load(frame_maps.array_path(sources.arrays, layer, video))


def _flow(sources: cells.Sources, layer: str, video: Video) -> np.ndarray:
    images = read_flow(sources.work.flow / f"{video.name}.zip")
    return localizer_flow_without_camera(images, frame_maps.LAYERS[layer])


def _add_label_free(
    measured: Measured, sources: cells.Sources, fold: Fold, layer: str, classes: int
) -> None:
    """Adds the rows that need no recurrent model, and the upper bound of maps of this side."""
    features, flow = partial(_features, sources, layer), partial(_flow, sources, layer)
    fitted = label_free.fit(fold.train, features, flow, classes)
    for video in fold.test:
        maps = label_free.maps_of(fitted, features(video), flow(video))
        _add_maps(measured, layer, video, maps)
    measured.add_ideal(fold.test, frame_maps.LAYERS[layer], MOMENTS)


def _add_maps(measured: Measured, layer: str, video: Video, maps: Mapping[str, np.ndarray]) -> None:
    for of, values in maps.items():
        # Every read-out of every map would take longer than all the rest.
        read_outs = READ_OUTS if of == "foreground" else ("moments",)
        for read_out in read_outs:
            tube = tube_of(values, video, read_out)
            measured.add(row_name(layer, of, read_out), video, tube)


def _add_cells(
    measured: Measured,
    settings: Settings,
    sources: cells.Sources,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    stop: float,
) -> list[dict[str, Any]]:
    """Adds the rows of every model and seed that all folds have; returns what was trained."""
    trained = []
    # The first seed of every model before the second of any: the time may end.
    for seed in seeds:
        for layer in frame_maps.LAYERS:
            for cell in cells.CELLS:
                right = _add_cell(measured, settings, sources, folds, (layer, cell, seed), stop)
                if right is not None:
                    trained.append({"layer": layer, "cell": cell, "seed": seed, "right": right})
    return trained


def _add_cell(
    measured: Measured,
    settings: Settings,
    sources: cells.Sources,
    folds: Sequence[Fold],
    model: tuple[str, str, int],
    stop: float,
) -> int | None:
    """Adds the rows of one model; returns how many clips it has right, or None without it."""
    layer, cell, seed = model
    outputs = {}
    for fold in folds:
        folder = f"{sources.work.root}/cells"
        of_fold = cells.fold_settings(settings, sources, fold, layer, folder)
        evaluated = cells.attention_of(of_fold, cell, seed, fold.test, stop)
        if evaluated is None:
            return None
        outputs[fold.name] = evaluated
    features, flow = partial(_features, sources, layer), partial(_flow, sources, layer)
    right = 0
    for fold in folds:
        foreground = label_free.foreground_of(fold.train, features)
        for video in fold.test:
            output = outputs[fold.name][video.name]
            right += int(output.scores.mean(0).argmax() == video.label)
            inputs = output.attention, output.features, flow(video)
            maps = {}
            for kind in ("attention", "weighted_features", "motion"):
                maps[f"{cell}, {kind}"] = localizer_input(kind, *inputs)
            shown = foreground_maps(features(video), foreground)
            weighted = maps[f"{cell}, weighted_features"]
            maps[f"{cell}, foreground and weighted_features"] = np.sqrt(shown * weighted)
            _add_maps(measured, layer, video, maps)
    return right


if __name__ == "__main__":
    main()
