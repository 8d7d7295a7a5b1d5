"""Puts the runs of the parts of a pool together: scores, settings, and files of each video."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.dataset.training_list import KEY
from videolstm_jax.errors import FileError
from videolstm_jax.results.evaluated import BY_VIDEO
from videolstm_jax.results.pool_parts import PoolPart
from videolstm_jax.results.pooled import pooled_score_files
from videolstm_jax.trained.foreground import KEY as FOREGROUND_KEY
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores

COPIED = ("config.json", "metrics.jsonl")
"""Files of a run that the report reads; those of the first part stand for all."""


def merge_pooled_runs(members: Sequence[PoolPart], pool: Workdir) -> None:
    """Puts together the scores of every model, and what was kept of each video."""
    first = members[0].work.path
    for place in pooled_score_files(members[0].work):
        save_scores(pool.path / place, _merged_scores(members, place))
        run, pooled_run = place.parent, pool.path / place.parent
        for name in COPIED:
            copy_pooled_file(first / run / name, pooled_run / name)
        _pool_settings(members, run, pooled_run / "config.json")
        for part in members:
            _copy_videos(part, part.work.path / run, pooled_run)


def _copy_videos(part: PoolPart, run: epath.Path, pooled_run: epath.Path) -> None:
    """Copies what a run of one part kept of each video, under the pooled names."""
    for name, pooled_name in part.pooled_names.items():
        for folder in BY_VIDEO:
            copy_pooled_file(
                run / folder / f"{name}.npz", pooled_run / folder / f"{pooled_name}.npz"
            )


def _pool_settings(members: Sequence[PoolPart], run: epath.Path, path: epath.Path) -> None:
    """Corrects the settings of the first part, `path`, where they must not stand for all parts."""
    # A fusion has no settings.
    if not path.exists():
        return
    _check_fits(members, run)
    record = files.read_json_object(path)
    # The training list of the first part has test videos of the others. Each part was evaluated by
    # itself, and its score file marks the videos it was trained on.
    is_changed = record.pop(KEY, None) is not None
    # Each part has an axis of its own, of its training list, and its videos keep their maps.
    is_changed |= record.pop(FOREGROUND_KEY, None) is not None
    warnings = _warnings(members, run)
    if warnings:
        record["warnings"] = warnings
        is_changed = True
    if is_changed:
        files.write_json(path, record)


def _check_fits(members: Sequence[PoolPart], run: epath.Path) -> None:
    """Refuses a run whose attention lies on the frames of its parts in different ways."""
    fit_of_part = {}
    for part in members:
        path = part.work.path / run / "config.json"
        if path.exists():
            settings = files.read_json_object(path).get("config", {}).get("data", {})
            fit_of_part[path] = settings.get("fit", "squash")
    if len(set(fit_of_part.values())) > 1:
        texts = []
        for path, fit in fit_of_part.items():
            texts.append(f"{path} has {fit}")
        raise FileError(f"data.fit: {', '.join(texts)}; expected one value in all parts of a pool")


def _warnings(members: Sequence[PoolPart], run: epath.Path) -> list[str]:
    """The warnings of a run of any part, such as of a training that diverged."""
    warnings = []
    for part in members:
        path = part.work.path / run / "config.json"
        if path.exists():
            for warning in files.read_json_object(path).get("warnings", ()):
                warnings.append(f"in {part.name} {warning}")
    return warnings


def _merged_scores(members: Sequence[PoolPart], place: epath.Path) -> Scores:
    """The scores of one model on the test videos of all parts, in the order of the pooled names."""
    names: list[str] = []
    tables, labels, trained = [], [], []
    for part in members:
        scores = load_scores(part.work.path / place)
        # A score file lists videos in an order of its own, so names are looked up, not counted.
        names.extend(map(part.pooled_names.__getitem__, scores.videos))
        tables.append(scores.scores)
        labels.append(scores.label)
        # Score files of another program do not mark the videos of the training list.
        is_trained = scores.trained
        if is_trained is None:
            is_trained = np.zeros(len(scores.videos), bool)
        trained.append(is_trained)
    order = sorted(range(len(names)), key=names.__getitem__)
    return Scores(
        tuple(names[row] for row in order),
        np.concatenate(tables)[order],
        np.concatenate(labels)[order],
        scores.classes,
        np.concatenate(trained)[order],
    )


def copy_pooled_file(source: epath.Path, target: epath.Path) -> None:
    """Copies a file of a part to the pool, if the part has it."""
    if source.exists():
        # A copy and not a link, which would break when a part is moved or removed.
        with files.replacing(target) as temporary:
            shutil.copyfile(source, temporary)
