"""Is a recurrent model right on mirrored clips, with and without training on mirrored features?

    python -m benchmarks.mirrored_clips --name=weizmann --data=weizmann --workdir=work/mirrored

The test list of each fold has every clip twice: as filmed, and mirrored before anything is computed
of it, so that its flow is that of the mirrored video. The backbone of a fold is fitted once, with
mirrored frames (`convnet.flip`). Recurrent models are trained on its features with `data.mirrored`
on and off. What is done already is not done again.
"""

from __future__ import annotations

import pathlib
import re
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import command_line, record
from videolstm_jax.config import RunConfig, change
from videolstm_jax.measure.intervals import paired_interval, wilson_interval
from videolstm_jax.presets import configured
from videolstm_jax.stages import evaluate, extract, fit_convnet, prepare, train
from videolstm_jax.video import encode
from videolstm_jax.video.decode import probe_video, read_video
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

MARK = "_mirrored"
"""The end of the name of a mirrored clip."""
# The class of a clip does not change with the side. Groups of a test list are performers.
_GROUP = re.compile(r"p(\d+)_|_g(\d+)_")


def main() -> None:
    """Runs the folds and writes the figures."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--data", required=True, help="a folder with videos/<class>/<clip>")
    parser.add_argument("--workdir", required=True, help="for clips, lists and one fold each")
    parser.add_argument("--stream", default="flow", choices=("rgb", "flow"))
    parser.add_argument("--cell", default="videolstm")
    parser.add_argument("--folds", type=int, default=3, help="parts of the performers")
    parser.add_argument("--seeds", type=int, default=2, help="of the recurrent model")
    parser.add_argument("--convnet_steps", type=int, default=200)
    parser.add_argument("--train_steps", type=int, default=100)
    options = parser.parse_args()
    workdir = pathlib.Path(options.workdir)
    _write_clips(pathlib.Path(options.data) / "videos", workdir, options.folds)
    configs = []
    for fold in range(options.folds):
        cfg = configured(
            "small",
            options.cell,
            workdir=str(workdir / f"fold{fold}"),
            data__videos=str(workdir / "clips"),
            data__lists=str(workdir / f"lists{fold}"),
            data__stream=options.stream,
            # RGB and flow alike: the network that can run at 64 x 64 pixels.
            convnet__backbone="vgg",
            convnet__steps=options.convnet_steps,
            train__steps=options.train_steps,
        )
        configs.append(cfg)
        _run_fold(cfg, options.seeds)
    record.save(f"mirrored_clips_{options.name}", figures(configs, options.seeds), options.out)


# ---- clips ---------------------------------------------------------------------------------------


def _write_clips(source: pathlib.Path, workdir: pathlib.Path, folds: int) -> None:
    """Copies the clips, writes the mirrored one of each beside it, and lists by groups."""
    classes = sorted(path.name for path in source.iterdir() if path.is_dir())
    clips = sorted(path for name in classes for path in (source / name).iterdir())
    groups = sorted({_group(path.stem) for path in clips})
    for path in clips:
        target = workdir / "clips" / path.parent.name / path.name
        mirrored = target.with_name(f"{path.stem}{MARK}.mkv")
        if not mirrored.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            # Without loss: the mirrored clip must differ in nothing else.
            frames = read_video(path)[:, :, ::-1]
            encode.write_video(mirrored, frames, fps=probe_video(path).fps, codec="ffv1")
    numbered = "".join(f"{number} {name}\n" for number, name in enumerate(classes, 1))
    for fold in range(folds):
        folder = workdir / f"lists{fold}"
        folder.mkdir(exist_ok=True)
        # Neighbours, as in p0 and p1.
        held_out = np.array_split(groups, folds)[fold]
        train_lines, test_lines = [], []
        for path in clips:
            name = f"{path.parent.name}/{path.name}"
            if _group(path.stem) in held_out:
                mirrored = f"{path.parent.name}/{path.stem}{MARK}.mkv"
                test_lines += [f"{name}\n", f"{mirrored}\n"]
            else:
                train_lines.append(f"{name} {classes.index(path.parent.name) + 1}\n")
        (folder / "classInd.txt").write_text(numbered)
        (folder / "trainlist01.txt").write_text("".join(train_lines))
        (folder / "testlist01.txt").write_text("".join(test_lines))


def _group(stem: str) -> int:
    match = _GROUP.search(stem)
    if match is None:
        raise ValueError(f"{stem} names no performer; expected p0_.. or .._g01_..")
    return int(match[1] or match[2])


# ---- the folds -----------------------------------------------------------------------------------


def _run_fold(cfg: RunConfig, seeds: int) -> None:
    """Runs what a fold still lacks."""
    work = Workdir(cfg.workdir)
    if not work.dataset.exists():
        prepare.run(cfg)
    if not (work.convnet(cfg.data.stream) / "scores.npz").exists():
        fit_convnet.run(cfg)
        extract.run(change(cfg, data__mirrored=True))
    for run in _runs(cfg, seeds):
        if not work.scores(run.name).exists():
            train.run(run)
            evaluate.run(run)


def _runs(cfg: RunConfig, seeds: int) -> list[RunConfig]:
    runs = []
    for seed in range(seeds):
        for is_mirrored in (True, False):
            name = f"{cfg.data.stream}-{str(is_mirrored).lower()}-{seed}"
            runs.append(change(cfg, data__mirrored=is_mirrored, seed=seed, name=name))
    return runs


# ---- figures -------------------------------------------------------------------------------------


def figures(configs: Sequence[RunConfig], seeds: int) -> dict[str, Any]:
    """The accuracy on clips as filmed and on mirrored ones, with and without mirrored training.

    Args:
      configs: of the folds.
      seeds: of the recurrent models; the backbone has one.
    """
    stream = configs[0].data.stream
    rows: dict[str, dict[str, Any]] = {"ConvNet": _row(configs, [f"convnet-{stream}"])}
    differences = {}
    for view in ("filmed", "mirrored", "both"):
        right = {}
        for state, value in (("off", "false"), ("on", "true")):
            names = [f"{stream}-{value}-{seed}" for seed in range(seeds)]
            rows[f"data.mirrored {state}"] = _row(configs, names)
            # The mean over seeds, so that the pairs of the bootstrap are clips.
            right[state] = np.mean([_answers(configs, name, view) for name in names], 0)
        differences[view] = list(paired_interval(right["on"], right["off"]))
    return {
        "question": command_line.question(__doc__),
        "clips": len(_answers(configs, f"convnet-{stream}", "filmed")),
        "cell": configs[0].model.cell,
        "stream": stream,
        "convnet.steps": configs[0].convnet.steps,
        "train.steps": configs[0].train.steps,
        "seeds": seeds,
        "rows": rows,
        "on minus off, 95 % of a paired bootstrap of clips": differences,
    }


def _row(configs: Sequence[RunConfig], names: Sequence[str]) -> dict[str, Any]:
    """Right answers of each seed in each view, and Wilson's interval of all seeds together."""
    row: dict[str, Any] = {}
    for view in ("filmed", "mirrored", "both"):
        answers = [_answers(configs, name, view) for name in names]
        hits, total = int(np.sum(answers)), int(np.size(answers))
        row[view] = {
            "right": [int(right.sum()) for right in answers],
            "of": len(answers[0]),
            "share": list(wilson_interval(hits, total)),
        }
    return row


def _answers(configs: Sequence[RunConfig], name: str, view: str) -> np.ndarray:
    """Whether each test clip of all folds is right, [V] float, of one view or of both."""
    right = []
    for cfg in configs:
        scores = load_scores(Workdir(cfg.workdir).scores(name))
        hits = scores.scores.argmax(1) == scores.label
        for video, is_right in zip(scores.videos, hits.tolist(), strict=True):
            is_mirrored = video.endswith(MARK)
            if view == "both" or is_mirrored == (view == "mirrored"):
                right.append(float(is_right))
    return np.array(right)


if __name__ == "__main__":
    main()
