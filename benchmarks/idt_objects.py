"""How many real clips are iDT and Objects right on, alone and fused with each other and with runs?

    python -m benchmarks.idt_objects --name=weizmann --videos=DIR --workdir=DIR --folds=6
    python -m benchmarks.idt_objects --name=ut_interaction --videos=DIR --workdir=DIR --folds=5
    python -m benchmarks.idt_objects --name=stick_actions --workdir=DIR --folds=0 --seeds=5

Fold k of n holds out the k-th group of videos, the k+n-th and so on; each video is tested once.
Trajectories and mean probabilities are computed once for all folds. With --folds=0 the work folder
is that of a finished pipeline, and its own test list is scored. Whatever the work folder already
has is not computed again. Results: benchmarks/results/idt_objects_<name>.json.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import command_line, record
from benchmarks.held_out import fold_of_groups
from benchmarks.real_data.rows import Row, accuracy_table, as_record, difference_table
from benchmarks.real_data.stages import in_order, right_by_video
from videolstm_jax.config import RunConfig, change
from videolstm_jax.measure.fusion.rules import product_fusion
from videolstm_jax.score_files.join import aligned_scores
from videolstm_jax.stages import idt, objects, prepare, trajectories
from videolstm_jax.types import Scores
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

OURS = ("iDT", "Objects")
"""The models without recurrent networks."""


def main() -> None:
    """Computes the scores of all folds, and writes which videos each model has right."""
    options = _options()
    base = _prepared(options)
    trajectories.run(base)
    objects.run(base)
    # Of each seed, the right answers of all folds by the name of the model.
    seeds: list[dict[str, dict[str, bool]]] = [{} for _ in range(options.seeds)]
    for number in range(1, max(1, options.folds) + 1):
        cfg = base
        if options.folds:
            work = _fold(base, number, options.folds)
            folder = str(Workdir(base.workdir).trajectories)
            cfg = change(base, workdir=work.root, idt__files=folder)
        ours = {"Objects": load_scores(objects.run(cfg)), "iDT": load_scores(idt.run(cfg))}
        for seed, right in enumerate(seeds):
            models = dict(ours)
            for path in options.runs:
                scores = load_scores(path.format(fold=number, seed=seed))
                models[_run_name(path)] = scores
            for name, scores in _with_fusions(models).items():
                right.setdefault(name, {}).update(right_by_video(scores))
    _save(options, base, seeds)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__)
    parser.add_argument("--videos", default="", help="folder of the videos, a folder a class")
    parser.add_argument("--workdir", required=True, help="folder of everything that is computed")
    parser.add_argument(
        "--folds",
        type=int,
        required=True,
        help="how often groups are held out; 0 takes the list of a finished pipeline",
    )
    parser.add_argument("--seeds", type=int, default=1, help="of the runs; default: 1")
    parser.add_argument("--side", type=int, default=240, help="idt.side; default: 240")
    parser.add_argument("--fps", type=float, default=0.0, help="data.fps; default: 0")
    parser.add_argument("--stride", type=int, default=1, help="objects.stride; default: 1")
    parser.add_argument("--components", type=int, default=256, help="idt.components; default: 256")
    parser.add_argument("--samples", type=int, default=256_000, help="idt.samples; default: 256000")
    parser.add_argument(
        "--runs",
        nargs="*",
        default=[],
        help="score files of other models on the same folds, with {fold} for the number of the "
        "fold from 1 on and {seed} for the seed from 0 on",
    )
    options = parser.parse_args()
    if options.folds and not options.videos:
        parser.error("--videos is missing; expected the folder of the videos, or --folds=0")
    return options


def _prepared(options: argparse.Namespace) -> RunConfig:
    """The settings of all folds, and a work folder in which every video is listed."""
    settings = {
        "data__fps": options.fps,
        "data__workers": 1,
        "idt__side": options.side,
        "idt__components": options.components,
        "idt__samples": options.samples,
        "objects__stride": options.stride,
    }
    if not options.folds:
        return change(RunConfig(workdir=options.workdir), **settings)
    cfg = change(
        RunConfig(workdir=f"{options.workdir}/all"),
        data__videos=options.videos,
        # No stage here reads flow images; the smallest ones are the cheapest.
        flow__width=16,
        flow__height=16,
        **settings,
    )
    if not Workdir(cfg.workdir).dataset.exists():
        prepare.run(cfg)
    return cfg


def _fold(base: RunConfig, number: int, folds: int) -> Workdir:
    """The work folder of a fold: the same videos in other parts."""
    source = Workdir(base.workdir)
    work = Workdir(str(source.path.parent / f"fold-{number}"))
    dataset = load_dataset(source.dataset)
    save_dataset(work.dataset, fold_of_groups(dataset, number, folds))
    pathlib.Path(work.flow).mkdir(exist_ok=True)
    shutil.copy(source.flow / "index.json", work.flow / "index.json")
    means = "runs/objects/means"
    shutil.copytree(source.path / means, work.path / means, dirs_exist_ok=True)
    return work


def _run_name(path: str) -> str:
    """The name of a run whose scores lie in `<run>/scores.npz`, without the seed that varies."""
    return pathlib.Path(path).parent.name.replace("-seed{seed}", "")


def _with_fusions(models: dict[str, Scores]) -> dict[str, Scores]:
    """The models, both of ours fused, the others fused, and the others with ours."""
    ours, others = list(OURS), [name for name in models if name not in OURS]
    fusions = [ours]
    if others:
        fusions += [[*others, "iDT"], [*others, *ours]]
    if len(others) > 1:
        fusions.append(others)
    rows = dict(models)
    for names in fusions:
        rows[" + ".join(names)] = _fused({name: models[name] for name in names})
    return rows


def _fused(models: dict[str, Scores]) -> Scores:
    streams = aligned_scores(models)
    tables = [stream.scores for stream in streams]
    return streams[0]._replace(scores=product_fusion(tables, (1.0,) * len(tables)))


def _save(
    options: argparse.Namespace, base: RunConfig, seeds: Sequence[Mapping[str, dict[str, bool]]]
) -> None:
    dataset = load_dataset(Workdir(base.workdir).dataset)
    names = [video.name for video in dataset.videos]
    if not options.folds:
        names = [video.name for video in dataset.part("test")]
    rows = {}
    for model in seeds[0]:
        answers = [in_order(right[model], names) for right in seeds]
        # Models without a random start have the same answers with every seed.
        if set(model.split(" + ")) <= set(OURS):
            answers = answers[:1]
        rows[model] = Row(np.stack(answers))
    pairs = _pairs(list(rows))
    figures = {
        "question": command_line.question(__doc__),
        **record.stamp(),
        "folds": options.folds,
        "side": options.side,
        "fps": options.fps,
        "stride": options.stride,
        "components": options.components,
        "samples": options.samples,
        "videos": names,
        "rows": as_record(rows),
        "pairs": pairs,
    }
    record.save(f"idt_objects_{options.name}", figures, options.out)
    print(accuracy_table(rows))
    print(f"\n{difference_table(rows, pairs)}")


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each fusion against each of its parts."""
    pairs = []
    for fusion in names:
        for part in names:
            if set(part.split(" + ")) < set(fusion.split(" + ")):
                pairs.append((fusion, part))
    return pairs


if __name__ == "__main__":
    main()
