"""Is it worth training the last block of a backbone together with the cell, and what does it cost?

    nice -n 19 python -m benchmarks.end_to_end --workdir=work/end_to_end --demo=work/demo

Hard stick actions. One backbone is fitted, from that of a finished `make demo`. Recurrent models
are trained on its features: frozen, and with `train.backbone_from=last_block`. Both have the same
seeds, so that they draw the same clips and start from the same cell. What is done already is not
done again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, record
from videolstm_jax.artifacts import Workdir, load_scores
from videolstm_jax.config import RunConfig, change
from videolstm_jax.measure.intervals import paired_interval, wilson
from videolstm_jax.presets import Settings, configured
from videolstm_jax.quantities import size_text
from videolstm_jax.stages import evaluate, extract, fit_convnet, prepare, train
from videolstm_jax.train.optim import optimizer, with_block_rate
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Batch, Clip, Inputs

FROZEN = "frozen"
TIMED_STEPS = 5


def main() -> None:
    """Runs what is missing and writes the figures."""
    parser = command_line.parser(__doc__, name="stick_actions")
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--demo", required=True, help="the work folder of a finished `make demo`")
    parser.add_argument("--stream", default="flow", choices=("rgb", "flow"))
    parser.add_argument("--cell", default="alstm")
    parser.add_argument("--seeds", type=int, default=3, help="of the recurrent models")
    parser.add_argument("--rates", default="0.1", help="values of train.backbone_rate")
    parser.add_argument("--convnet_steps", type=int, default=100)
    parser.add_argument("--train_steps", type=int, default=120)
    parser.add_argument("--frames", type=int, default=8, help="of a clip")
    parser.add_argument("--clips", type=int, default=24, help="training clips of a class")
    parser.add_argument("--test_clips", type=int, default=25, help="test clips of a class")
    options = parser.parse_args()
    cfg = configured(
        "research",
        options.cell,
        workdir=options.workdir,
        data__stream=options.stream,
        data__clips_per_class=options.clips,
        data__test_clips_per_class=options.test_clips,
        convnet__weights=f"{options.demo}/convnets/{{stream}}",
        convnet__learning_rate=1e-3,
        convnet__steps=options.convnet_steps,
        data__frames=options.frames,
        train__steps=options.train_steps,
        train__backbone_from="last_block",
        # Five times fewer than the paper's 25, and the same for both paths.
        eval__segments=5,
    )
    rates = [float(rate) for rate in options.rates.split(",")]
    _make_features(cfg)
    for run in _runs(cfg, rates, options.seeds):
        if not Workdir(cfg.workdir).scores(run.name).exists():
            train.run(run)
            evaluate.run(run)
    results = figures(cfg, rates, options.seeds) | costs(cfg, rates[0])
    record.save(f"end_to_end_{options.name}", results, options.out)


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


def _runs(cfg: RunConfig, rates: Sequence[float], seeds: int) -> list[RunConfig]:
    """The trainings, seed by seed, so that a part of them can be compared."""
    runs = []
    for seed in range(seeds):
        runs.append(_run(cfg, FROZEN, seed))
        for rate in rates:
            runs.append(_run(cfg, _name(rate), seed))
    return runs


def _name(rate: float) -> str:
    return f"rate{rate:g}"


def _run(cfg: RunConfig, name: str, seed: int) -> RunConfig:
    """The training of one seed: frozen, or with a rate of the backbone."""
    run = change(cfg, seed=seed, name=f"{name}-{cfg.data.stream}-{seed}")
    if name == FROZEN:
        return change(run, train__backbone_from="")
    return change(run, train__backbone_rate=float(name.removeprefix("rate")))


# ---- figures -------------------------------------------------------------------------------------


def figures(cfg: RunConfig, rates: Sequence[float], seeds: int) -> dict[str, Any]:
    """Accuracies, and their differences to the frozen path.

    Args:
      cfg: of the trainings.
      rates: of the backbone, as factors of the cell's.
      seeds: of the recurrent models; the backbone has one.
    """
    right = {}
    for name in (FROZEN, *map(_name, rates)):
        answers = [_answers(cfg, _run(cfg, name, seed).name) for seed in range(seeds)]
        right[name] = np.stack(answers)
    differences = {}
    for name, answers in right.items():
        if name != FROZEN:
            # The mean over seeds, so that the pairs of the bootstrap are clips.
            interval = paired_interval(answers.mean(0), right[FROZEN].mean(0))
            differences[name] = list(interval)
    convnet = _answers(cfg, f"convnet-{cfg.data.stream}")
    return {
        "question": command_line.question(__doc__),
        "cell": cfg.model.cell,
        "stream": cfg.data.stream,
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
        "share": list(wilson(int(answers.sum()), answers.size)),
    }


def _answers(cfg: RunConfig, name: str) -> np.ndarray:
    """Whether each test clip is right, [V] float."""
    scores = load_scores(Workdir(cfg.workdir).scores(name))
    return (scores.scores.argmax(1) == scores.label).astype(float)


# ---- costs ---------------------------------------------------------------------------------------


def costs(cfg: RunConfig, rate: float) -> dict[str, Any]:
    """What a step of both paths costs, and what their features take on disk.

    Args:
      cfg: of the trainings, which are finished.
      rate: of the backbone in the joint path; any of those that were trained.
    """
    return {
        "cost": {"frozen": _cost(cfg, FROZEN), "joint": _cost(cfg, _name(rate))},
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
    work, run = Workdir(cfg.workdir), _run(cfg, name, 0)
    model = TrainedModel.of_run(work, run.name)
    tx = optimizer(run.optim, run.train.steps)
    if model.block is not None:
        tx = with_block_rate(tx, run.train.backbone_rate)
    state = new_state(model.params, tx)
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
