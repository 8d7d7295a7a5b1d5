"""The stages behind rows of the paper: each once, after those that it needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from videolstm_jax.config import RunConfig, change
from videolstm_jax.core.cells import find_cell
from videolstm_jax.files import PathLike
from videolstm_jax.paper.request import (
    Request,
    SplitPlace,
    paper_places_of,
    pretrained_paper_place,
    require_paper_data,
)
from videolstm_jax.paper.rows import FUSED_CELL, Row
from videolstm_jax.pipeline import Step, pipeline_graft_source
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.layout import Workdir

HEAD = ("head.dense", "head.dense_bias")
"""Parts of the head that do not depend on the classes; "everything but the classifier"."""


class PlannedStage(NamedTuple):
    """One stage of a plan.

    Attributes:
      name: such as `ucf101-1/train convalstm-rgb`; no two tasks share it.
      step: the stage and its configuration.
      needs: names of the tasks that must be done before.
      result: a file that shows that the stage is done; None for stages that look themselves what
        is left to do. A training that goes on removes the results of the stages behind it.
    """

    name: str
    step: Step
    needs: tuple[str, ...]
    result: PathLike | None = None


def plan_paper_rows(rows: Sequence[Row], request: Request) -> list[PlannedStage]:
    """The tasks of rows; what several rows share, such as features, is there once.

    Args:
      rows: of `find_paper_rows`.
      request: settings, folders and seeds.

    Raises:
      ConfigError: the videos of a data set or the scores of another system were not given.
    """
    for row in rows:
        # For every row before the first is planned: a plan of half of the rows would look whole.
        require_paper_data(row, request)
    planner = _Planner(request)
    for row in rows:
        for place in paper_places_of(row):
            planner.add_row(row, place)
    return list(planner.tasks.values())


class _Planner:
    """Collects tasks by name, each after those that it needs."""

    def __init__(self, request: Request) -> None:
        self.tasks: dict[str, PlannedStage] = {}
        self._request = request
        # Rows share most of their stages; making the configurations again would take seconds.
        self._prepare = cache(self._prepare)
        self._backbone = cache(self._backbone)
        self._features = cache(self._features)
        self._train = cache(self._train)

    def add_row(self, row: Row, place: SplitPlace) -> None:
        """Adds all that a row needs on one split."""
        # The ConvNet alone is scored by `extract`, and has one seed.
        if row.cell == "convnet":
            self._features(place, row.streams[0])
            return
        for seed in self._request.seeds:
            if row.cell:
                trained = self._run(place, row.cell, row.streams[0], seed)
                if row.measure != "accuracy":
                    self._localize(place, row, seed, trained)
            elif "videolstm" in row.parts:
                self._fuse(place, row, seed)
        # A fused row adds them itself.
        if row.parts in (("idt",), ("objects",)):
            self._external(place, row.parts[0])

    def _add(
        self,
        place: SplitPlace,
        step: Step,
        needs: Sequence[str] = (),
        result: PathLike | None = None,
    ) -> str:
        name = f"{place.folder}/{step.label}"
        if step.stage == "localize" and step.cfg.localize.name:
            name += f" ({step.cfg.localize.name})"
        if step.stage == "fuse":
            name += f" {step.cfg.fuse.name}"
        # The first one stays: a later row asks for the same stage with the same settings.
        self.tasks.setdefault(name, PlannedStage(name, step, tuple(dict.fromkeys(needs)), result))
        return name

    # ---- features --------------------------------------------------------------------------------

    def _prepare(self, place: SplitPlace) -> str:
        return self._add(place, Step("prepare", self._request.place_settings(place).config()))

    def _backbone(self, place: SplitPlace, stream: str) -> str:
        """Fits the backbone of a stream; that of HMDB51 starts from UCF101's."""
        needs = [self._prepare(place)]
        start = pretrained_paper_place(place)
        if start != place:
            needs.append(self._backbone(start, stream))
        cfg = self._request.place_settings(place).for_stream(stream).config()
        return self._add(place, Step("fit_convnet", cfg), needs)

    def _features(self, place: SplitPlace, stream: str) -> str:
        settings = self._request.place_settings(place)
        cfg = settings.for_stream(stream).config()
        # Where flow is not stored, one pass over the videos makes the features of both streams.
        if cfg.flow.online:
            backbones = [self._backbone(place, "rgb"), self._backbone(place, "flow")]
            return self._add(place, Step("extract", settings.config()), backbones)
        return self._add(place, Step("extract", cfg), [self._backbone(place, stream)])

    # ---- runs ------------------------------------------------------------------------------------

    def _run(self, place: SplitPlace, cell: str, stream: str, seed: int) -> str:
        """Trains and evaluates a cell on a stream."""
        trained = self._train(place, cell, stream, seed)
        cfg = self.tasks[trained].step.cfg
        result = Workdir(cfg.workdir).run(cfg.run_name) / "scores.npz"
        return self._add(place, Step("evaluate", cfg), [trained], result)

    def _train(self, place: SplitPlace, cell: str, stream: str, seed: int) -> str:
        """Trains a cell on a stream."""
        settings = self._request.place_settings(place).override(**self._request.run_settings())
        cfg = settings.for_cell(cell, stream)
        name = self._request.run_name(cell, stream, seed)
        return self._train_config(place, change(cfg, name=name, seed=seed), settings)

    def _train_config(self, place: SplitPlace, cfg: RunConfig, settings: Settings) -> str:
        """Adds a training after the features that it reads and the runs that it starts from."""
        needs = [self._features(place, cfg.data.stream)]
        if find_cell(cfg.model.cell).layers.motion:
            needs.append(self._features(place, "flow"))
        start = pretrained_paper_place(place)
        # A graft of the preset is for the first training only; this one starts from its result.
        if start != place:
            needs.append(self._train(start, cfg.model.cell, cfg.data.stream, cfg.seed))
            folder = f"{self._request.root}/{start.folder}/runs/{cfg.run_name}"
            cfg = change(cfg, train__graft=_everything_but_classes(cfg, folder))
        elif cfg.train.graft:
            sources, entries = self._sources(place, cfg, settings)
            needs += sources
            cfg = change(cfg, train__graft=entries)
        return self._add(place, Step("train", cfg), needs)

    def _sources(
        self, place: SplitPlace, cfg: RunConfig, settings: Settings
    ) -> tuple[list[str], tuple[str, ...]]:
        """Adds the runs that parts are grafted from, and renames them in the entries."""
        needs, entries = [], []
        for entry in cfg.train.graft:
            _, _, part = entry.partition(":")
            source = pipeline_graft_source(settings, cfg, entry)
            cell, stream = source.model.cell, source.data.stream
            name = self._request.run_name(cell, stream, cfg.seed)
            # A source may have another kernel than the run of Table 1 with the same cell.
            if source.model.kernel != settings.for_cell(cell, stream).model.kernel:
                name = f"{name}-kernel{source.model.kernel}"
            # With the seed of the run, so that repetitions differ in all that is trained.
            source = change(source, name=name, seed=cfg.seed)
            needs.append(self._train_config(place, source, settings))
            entries.append(f"{name}:{part}")
        return needs, tuple(entries)

    def _localize(self, place: SplitPlace, row: Row, seed: int, evaluated: str) -> str:
        cfg = self.tasks[evaluated].step.cfg
        # Tubes of a row with settings of its own get files of their own beside the others.
        cfg = change(cfg, localize__name=row.variant, **row.settings)
        result = Workdir(cfg.workdir).tube_measures(cfg.run_name, row.variant)
        return self._add(place, Step("localize", cfg), [evaluated], result)

    def _validated(self, place: SplitPlace, evaluated: str) -> list[str]:
        """Adds the scores of the validation list, on which the weights of a fusion are searched."""
        task = self.tasks[evaluated]
        cfg = task.step.cfg
        # Without a search nothing reads them, and files of the user's own take their place.
        if not cfg.fuse.search or cfg.fuse.validation:
            return []
        result = Workdir(cfg.workdir).validation_scores(cfg.run_name)
        step = Step("evaluate", change(cfg, eval__part="valid"))
        return [self._add(place, step, task.needs, result)]

    def _external(self, place: SplitPlace, part: str) -> list[str]:
        """Adds the stage that makes scores of iDT or objects, unless a file of them was given."""
        prepared = self._prepare(place)
        if self._request.external_path(part, place):
            return [prepared]
        cfg = self._request.place_settings(place).config()
        result = Workdir(cfg.workdir).run(part) / "scores.npz"
        return [self._add(place, Step(part, cfg), [prepared], result)]

    def _fuse(self, place: SplitPlace, row: Row, seed: int) -> str:
        """Multiplies the streams of VideoLSTM and the scores of other systems."""
        needs, sources = [], []
        for part in row.parts:
            if part != "videolstm":
                needs += self._external(place, part)
                sources.append(self._request.external_path(part, place) or part)
                continue
            flow_cell = FUSED_CELL.get(self._request.settings.preset, "videolstm")
            for cell, stream in (("videolstm", "rgb"), (flow_cell, "flow")):
                evaluated = self._run(place, cell, stream, seed)
                needs += [evaluated, *self._validated(place, evaluated)]
                sources.append(self._request.run_name(cell, stream, seed))
        # As the runs: scores whose checkpoint the test list chose must be allowed here too.
        settings = self._request.place_settings(place).override(**self._request.run_settings())
        name = self._request.fused_name(row, seed)
        cfg = settings.override(fuse__runs=tuple(sources), fuse__name=name).config()
        return self._add(place, Step("fuse", cfg), needs)


def _everything_but_classes(cfg: RunConfig, folder: str) -> tuple[str, ...]:
    """The entries of `train.graft` that take all of the run in a folder but its classifier."""
    # A relative path would be looked for below the runs of this work folder.
    source = folder
    if "://" not in folder:
        source = os.path.abspath(folder)
    parts = ["cell", *HEAD]
    # A first carry of zeros has no parameters.
    if cfg.model.start != "zeros":
        parts.append("start")
    return tuple(f"{source}:{part}" for part in parts)


def paper_task_waves(tasks: Sequence[PlannedStage]) -> list[list[PlannedStage]]:
    """The tasks in waves: all of one wave can run side by side once the waves before are done."""
    wave_of: dict[str, int] = {}
    ordered: list[list[PlannedStage]] = []
    for task in tasks:
        wave = 0
        for name in task.needs:
            # As early as its needs allow, so that most tasks run side by side. A plan lists tasks
            # behind their needs, so each of them has its wave already.
            wave = max(wave, wave_of[name] + 1)
        wave_of[task.name] = wave
        while len(ordered) <= wave:
            ordered.append([])
        ordered[wave].append(task)
    return ordered
