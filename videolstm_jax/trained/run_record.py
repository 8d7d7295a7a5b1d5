"""What config.json of a run says of its model, for stages that do not load the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from videolstm_jax.errors import ConfigError
from videolstm_jax.workdir.config_json import load_config

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.config import RunConfig
    from videolstm_jax.workdir.layout import Workdir


class RunRecord(NamedTuple):
    """The run `name` of a work folder; `record` is the content of its config.json.

    Reading it takes no parameters, no JAX and no code of the cell.
    """

    work: Workdir
    name: str
    record: Mapping[str, Any]

    @classmethod
    def read(cls, work: Workdir, name: str) -> RunRecord:
        """Reads the record of a finished training.

        Raises:
          FileError: the run is missing or unfinished.
        """
        folder = work.run(name)
        record = load_config(folder, made_by="train")
        # Other programs, and pools of several trainings, leave out what they do not know.
        config = record.setdefault("config", {})
        config.setdefault("data", {})
        # A name may be the path of the folder; its last part is the name.
        return cls(work, folder.name, record)

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration that it was trained with."""
        return self.record["config"]

    @property
    def folder(self) -> epath.Path:
        """The folder of the run."""
        return self.work.run(self.name)

    @property
    def fps(self) -> float:
        """The rate that videos were resampled to; 0 is their own."""
        return self.config["data"].get("fps", 0.0)

    @property
    def fit(self) -> str:
        """How its frames were brought to a square; runs from before the setting squashed them."""
        return self.config["data"].get("fit", "squash")

    @property
    def attends(self) -> bool:
        """Whether its cell has attention, of which boxes are made."""
        # Of the record and not of the cell, whose module need not be installed to draw a page.
        return self.record.get("attends", False)

    @property
    def backbone(self) -> str:
        """The kind of the backbone of its features of x; empty where that is not known."""
        # Imported features have none, and runs of earlier versions did not record it.
        extractor = self.record.get("inputs", {}).get("x", {}).get("extractor", {})
        return extractor.get("backbone", "")

    def reads_imported(self, stream: str) -> bool:
        """Whether an input of the run is made of imported features of a stream."""
        inputs = self.record.get("inputs", {})
        # Motion is always that of the flow stream; see `trained.model.layers_by_stream`.
        stream_of_input = {"x": self.config["data"].get("stream"), "motion": "flow"}
        for name, row in inputs.items():
            extractor = row.get("extractor", {})
            # Features of every version of `extract` have the digest of their backbone here.
            is_imported = extractor.get("convnet", "unknown") is None
            if is_imported and stream_of_input.get(name) == stream:
                return True
        return False


def fit_of_run(cfg: RunConfig, work: Workdir, name: str) -> str:
    """The `data.fit` that a run was trained with, which stages after the training use.

    Args:
      cfg: of the stage.
      work: the work folder.
      name: of the run.

    Raises:
      ConfigError: the user gives another value. One of a preset is no wish of the user.
    """
    # The attention of another program has no training of ours beside it.
    if not (work.run(name) / "config.json").exists():
        return cfg.data.fit
    fit = RunRecord.read(work, name).fit
    if "data__fit" in cfg.overrides and cfg.data.fit != fit:
        raise ConfigError(
            f"{work.run(name)} was trained with data.fit {fit!r}; the settings have "
            f"{cfg.data.fit!r}; expected the same"
        )
    return fit
