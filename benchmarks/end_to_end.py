"""Is it worth training the last block of a backbone together with the cell, and what does it cost?

    nice -n 19 python -m benchmarks.end_to_end --workdir=work/end_to_end --demo=work/demo
    nice -n 19 python -m benchmarks.end_to_end --name=weizmann --workdir=work/end_to_end_weizmann \
        --videos=DIR --hold_out p0 p1 p2 p3 p4 p5

Hard stick actions, or a folder of videos of which one group at a time is held out. A backbone is
fitted to each training list: for stick actions from that of a finished `make demo`, else from
nothing. Recurrent models are trained on its features: frozen, and with
`train.backbone_from=last_block`. Both have the same seeds, so that they draw the same clips and
start from the same cell. `--frozen_steps` adds frozen models with more updates, so that both paths
may have the same processor time. What is done already is not done again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, record
from videolstm_jax.config import RunConfig, change
from videolstm_jax.measure.intervals import paired_interval, wilson_interval
from videolstm_jax.presets import Settings, configured
from videolstm_jax.quantities import size_text
from videolstm_jax.stages import evaluate, extract, fit_convnet, prepare, train
from videolstm_jax.train.optim import optimizer, optimizer_with_block_rate
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Batch, Clip, Inputs
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

FROZEN = "frozen"
TIMED_STEPS = 5


def main() -> None:
    """Runs what is missing and writes the figures."""
    parser = command_line.parser(__doc__, name="stick_actions")
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--demo", default="", help="the work folder of a finished `make demo`")
    parser.add_argument("--stream", default="flow", choices=("rgb", "flow"))
    parser.add_argument("--cell", default="alstm")
    parser.add_argument("--seeds", type=int, default=3, help="of the recurrent models")
    parser.add_argument("--rates", default="0.1", help="values of train.backbone_rate")
    parser.add_argument("--convnet_steps", type=int, default=100)
    parser.add_argument("--train_steps", type=int, default=120)
    parser.add_argument("--frames", type=int, default=8, help="of a clip")
    parser.add_argument("--clips", type=int, default=24, help="training clips of a class")
    parser.add_argument("--test_clips", type=int, default=25, help="test clips of a class")
    parser.add_argument("--videos", default="", help="folder of videos; none: stick actions")
    parser.add_argument("--hold_out", nargs="*", default=[], help="groups of --videos, a fold each")
    parser.add_argument(
        "--frozen_steps",
        type=int,
        nargs="*",
        default=[],
        help="updates of more frozen models of each seed, one for each number. For the same "
        "processor time: --train_steps times the factor between the printed costs of a step",
    )
    options = parser.parse_args()
    if bool(options.videos) != bool(options.hold_out):
        parser.error("--videos and --hold_out go together; expected a folder and its groups")
    if not options.videos and not options.demo:
        parser.error("--demo is missing; expected the work folder of a finished `make demo`")
    folds = fold_configs(options)
    paths = path_names([float(rate) for rate in options.rates.split(",")], options.frozen_steps)
    for cfg in folds:
        _make_features(cfg)
    for seed in range(options.seeds):
        for cfg in folds:
            for path in paths:
                run = run_config(cfg, path, seed)
                if not Workdir(cfg.workdir).scores(run.name).exists():
                    train.run(run)
                    evaluate.run(run)
    about = {**record.stamp(), "question": command_line.question(__doc__)}
    results = about | figures(folds, paths, options.seeds) | costs(folds[0], paths[1])
    record.save(f"end_to_end_{options.name}", results, options.out)


def fold_configs(options: argparse.Namespace) -> list[RunConfig]:
    """The settings of the joint path: of each fold one, or of the test list of stick actions."""
    common = {
        "data__stream": options.stream,
        "convnet__steps": options.convnet_steps,
        "data__frames": options.frames,
        "train__steps": options.train_steps,
        "train__backbone_from": "last_block",
        # Five times fewer than the paper's 25, and the same for both paths.
        "eval__segments": 5,
    }
    if not options.videos:
        stick_actions = {
            "workdir": options.workdir,
            "data__clips_per_class": options.clips,
            "data__test_clips_per_class": options.test_clips,
            "convnet__weights": f"{options.demo}/convnets/{{stream}}",
            "convnet__learning_rate": 1e-3,
        }
        return [configured("research", options.cell, **common, **stick_actions)]
    folds = []
    for group in options.hold_out:
        place = {
            "workdir": f"{options.workdir}/without-{group}",
            "data__videos": options.videos,
            "data__hold_out": group,
            "data__mirrored": False,
            "data__workers": 1,
        }
        folds.append(configured("small", options.cell, **common, **place))
    return folds


def _make_features(cfg: RunConfig) -> None:
    """Prepares the clips, and fits and runs the backbones that the cell reads."""
    work = Workdir(cfg.workdir)
    if not work.dataset.exists():
        prepare.run(cfg)
    # The motion input of a cell is always of flow.
    for stream in dict.fromkeys([cfg.data.stream, "flow"]):
        stream_cfg = Settings.of(cfg).for_stream(stream).config()
        if not (work.convnet(stream) / "scores.npz").exists():
            fit_convnet.run(stream_cfg)
            extract.run(stream_cfg)


def path_names(rates: Sequence[float], frozen_steps: Sequence[int] = ()) -> list[str]:
    """The frozen path, one for each rate of the backbone, and those of more frozen updates.

    Args:
      rates: of the backbone, as factors of the cell's.
      frozen_steps: updates of further frozen paths.
    """
    joint = [f"rate{rate:g}" for rate in rates]
    return [FROZEN, *joint, *(f"{FROZEN}{steps}" for steps in frozen_steps)]


def run_config(cfg: RunConfig, path: str, seed: int) -> RunConfig:
    """The training of one seed on one path of `path_names`."""
    run = change(cfg, seed=seed, name=f"{path}-{cfg.data.stream}-{seed}")
    if not path.startswith(FROZEN):
        return change(run, train__backbone_rate=float(path.removeprefix("rate")))
    steps = int(path.removeprefix(FROZEN) or cfg.train.steps)
    return change(run, train__backbone_from="", train__steps=steps)


# ---- figures -------------------------------------------------------------------------------------


def figures(folds: Sequence[RunConfig], paths: Sequence[str], seeds: int) -> dict[str, Any]:
    """Accuracies, and their differences to the frozen path.

    Args:
      folds: the settings of each fold; all test clips are pooled.
      paths: of `path_names`.
      seeds: of the recurrent models; the backbone has one.
    """
    cfg = folds[0]
    right = {}
    for path in paths:
        answers = []
        for seed in range(seeds):
            answers.append(_answers(folds, run_config(cfg, path, seed).name))
        right[path] = np.stack(answers)
    differences = {}
    for path, answers in right.items():
        if path != FROZEN:
            # The mean over seeds, so that the pairs of the bootstrap are clips.
            interval = paired_interval(answers.mean(0), right[FROZEN].mean(0))
            differences[path] = list(interval)
    convnet = _answers(folds, f"convnet-{cfg.data.stream}")
    return {
        "cell": cfg.model.cell,
        "stream": cfg.data.stream,
        "folds": len(folds),
        "clips": len(convnet),
        "convnet.steps": cfg.convnet.steps,
        "train.steps": cfg.train.steps,
        "data.frames": cfg.data.frames,
        "data.batch": cfg.data.batch,
        "seeds": seeds,
        "ConvNet": _row(convnet[None]),
        "rows": {name: _row(answers) for name, answers in right.items()},
        "minus frozen, 95 % of a paired bootstrap of clips": differences,
    }


def _row(answers: np.ndarray) -> dict[str, Any]:
    """Right answers of each seed, and Wilson's interval of all seeds together."""
    return {
        "right": [int(right.sum()) for right in answers],
        "of": answers.shape[1],
        "share": list(wilson_interval(int(answers.sum()), answers.size)),
    }


def _answers(folds: Sequence[RunConfig], name: str) -> np.ndarray:
    """Whether each test clip of all folds is right, [V] float."""
    answers = []
    for cfg in folds:
        scores = load_scores(Workdir(cfg.workdir).scores(name))
        answers.append(scores.scores.argmax(1) == scores.label)
    return np.concatenate(answers).astype(float)


# ---- costs ---------------------------------------------------------------------------------------


def costs(cfg: RunConfig, joint: str) -> dict[str, Any]:
    """What a step of both paths costs, and what their features take on disk.

    Args:
      cfg: of the trainings of one fold, which are finished.
      joint: the name of a joint path; any of those that were trained.
    """
    return {
        "cost": {"frozen": _cost(cfg, FROZEN), "joint": _cost(cfg, joint)},
        "size of features": _feature_sizes(cfg),
    }


def _feature_sizes(cfg: RunConfig) -> dict[str, str]:
    """The size of each store that a cell of maps reads, or a block."""
    sizes = {}
    for folder in sorted(Workdir(cfg.workdir).features(cfg.data.stream, "pool5").parent.iterdir()):
        if folder.name == "pool5" or folder.name.startswith("below_"):
            files = [path for path in folder.glob("*/*") if path.is_file()]
            sizes[folder.name] = size_text(sum(path.stat().length for path in files))
    return sizes


def _cost(cfg: RunConfig, name: str) -> dict[str, float]:
    """Processor seconds of a training step, and the memory of its intermediate values."""
    work, run = Workdir(cfg.workdir), run_config(cfg, name, 0)
    model = TrainedModel.of_run(work, run.name)
    tx = optimizer(run.optim, run.train.steps)
    if model.block is not None:
        tx = optimizer_with_block_rate(tx, run.train.backbone_rate)
    state = new_training_state(model.params, tx)
    batch = _ones(model, work, run)
    lowered = make_step(model_loss(model.functions.apply), tx, run.seed).lower(state, batch)
    compiled = lowered.compile()
    # The first step touches its memory for the first time, and is not counted.
    state, metrics = compiled(state, batch)
    jax.block_until_ready(metrics)
    began = time.process_time()
    for _ in range(TIMED_STEPS):
        state, metrics = compiled(state, batch)
        jax.block_until_ready(metrics)
    seconds = (time.process_time() - began) / TIMED_STEPS
    memory = compiled.memory_analysis().temp_size_in_bytes
    return {
        "processor seconds a step": round(seconds, 3),
        "MiB of intermediate values": round(memory / 2**20, 1),
        "trained parameters": sum(leaf.size for leaf in jax.tree.leaves(model.params)),
    }


def _ones(model: TrainedModel, work: Workdir, run: RunConfig) -> Batch:
    """A batch of the shapes that the model is trained on; its values do not change the time."""
    shape = (run.data.batch, run.data.frames)
    features = model.open_features(work)
    arrays = []
    for store in features.by_input().values():
        arrays.append(np.ones((*shape, *store.shape), np.float16))
    label, weight = np.zeros(run.data.batch, np.int32), np.ones(run.data.batch, np.float32)
    return Batch(Clip(Inputs(*arrays), np.ones(shape, bool)), label, weight)


if __name__ == "__main__":
    main()
