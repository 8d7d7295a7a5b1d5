"""What a user asks of the paper's rows: settings, folders of videos, seeds and external scores."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.rows import Row
from videolstm_jax.presets import Settings, convnet_of

_OF_THE_ROWS = (
    "name",
    "seed",
    "model__cell",
    "data__stream",
    "data__split",
    "fuse__runs",
    "fuse__name",
    "eval__part",
    "localize__name",
    "train__graft",
    "train__keep",
)
"""Settings that the rows decide themselves."""
_ON_TEST = {"train__keep": "best_on_test", "eval__allow_trained": True}
"""A checkpoint that the test list chose depends on it, so its results must be allowed."""
PRETRAINED = "ucf101"
"""The data set whose models those of the other one start from."""


class SplitPlace(NamedTuple):
    """A split of a data set, which has a work folder of its own."""

    dataset: str
    split: int

    @property
    def folder(self) -> str:
        """The name of its folder below the work folder, such as `hmdb51-2`."""
        return f"{self.dataset}-{self.split}"


class Request(NamedTuple):
    """What a user asks for.

    Attributes:
      settings: the preset, and what was given on top of it; they reach every stage.
      videos: the folder of videos by data set; those that are not there were not given.
      seeds: of the recurrent models; each is trained once for each seed.
      on_test: whether the checkpoint is chosen on the test list, as the authors did.
      external: score files of other systems by name, "idt" or "objects", in place of the stages of
        this project. `{dataset}` and `{split}` in them stand for those of the row.
    """

    settings: Settings
    videos: Mapping[str, str] = MappingProxyType({})
    seeds: tuple[int, ...] = (0,)
    on_test: bool = False
    external: Mapping[str, str] = MappingProxyType({})

    @property
    def root(self) -> str:
        """The folder that holds the work folders of all places."""
        return self.settings.config().workdir

    def place_settings(self, place: SplitPlace) -> Settings:
        """The settings of all stages in the work folder of a place."""
        values: dict[str, Any] = {
            "workdir": f"{self.root}/{place.folder}",
            "data__videos": self.videos.get(place.dataset, ""),
            "data__split": place.split,
        }
        if place.dataset != PRETRAINED:
            # The boxes are those of UCF101.
            values["data__boxes"] = ""
            values["convnet__weights"] = (
                f"{self.root}/{pretrained_paper_place(place).folder}/convnets/{{stream}}"
            )
        return self.settings.override(**values)

    def run_name(self, cell: str, stream: str, seed: int) -> str:
        """The folder of a run. With `paper` and seed 0 it is that of `videolstm pipeline`."""
        name = f"{cell}-{stream}"
        # The streams of a fused model may be VideoLSTM twice, and presets share work folders.
        if self.settings.preset != "paper":
            name = f"{self.settings.preset}-{name}"
        if self.on_test:
            name = f"{name}-on-test"
        # Seed 0 has no ending, so that rows and pipelines share its runs.
        if seed:
            name = f"{name}-seed{seed}"
        return name

    def fused_name(self, row: Row, seed: int) -> str:
        """The name of the fused scores of a row."""
        return self.run_name("+".join(row.parts), "fused", seed)

    def external_path(self, name: str, place: SplitPlace) -> str:
        """The score file of another system for one split; empty where a stage makes the scores."""
        pattern = self.external.get(name, "")
        # Replaced and not formatted: a path may hold other braces.
        return pattern.replace("{dataset}", place.dataset).replace("{split}", str(place.split))

    def run_settings(self) -> dict[str, Any]:
        """The settings of every run on top of those of its place."""
        if self.on_test:
            return dict(_ON_TEST)
        return {}


def pretrained_paper_place(place: SplitPlace) -> SplitPlace:
    """The place whose models those of another data set start from: the first split of UCF101."""
    # The paper names no split; the first one is trained for its own rows anyway.
    if place.dataset != PRETRAINED:
        return SplitPlace(PRETRAINED, 1)
    return place


def paper_places_of(row: Row) -> list[SplitPlace]:
    """The splits of a row."""
    return [SplitPlace(row.dataset, split) for split in row.splits]


def missing_paper_flags(row: Row, request: Request) -> list[str]:
    """The flags that a row needs and the request does not have, with words for their values."""
    flags = []
    # UCF101 in any case: the models of HMDB51 start from those of UCF101.
    if not request.videos.get(PRETRAINED):
        flags.append("--videos=UCF101")
    if row.dataset == "hmdb51" and not request.videos.get("hmdb51"):
        flags.append("--hmdb51=HMDB51")
    if row.measure != "accuracy" and not request.settings.overrides.get("data__boxes"):
        flags.append("--data.boxes=BOXES")
    return flags


def require_paper_data(row: Row, request: Request) -> None:
    """Raises ConfigError where videos or boxes that a row needs were not given."""
    flags = missing_paper_flags(row, request)
    if flags:
        raise ConfigError(f"{row.name} needs {' and '.join(flags)}")


def lacks_paper_weights(row: Row, request: Request) -> bool:
    """Whether a backbone of a row would start from random numbers although nobody asked for it.

    Published ImageNet weights are of VGG without normalisation. Other backbones bring theirs, or
    are trained from nothing by design, as that of flow in the preset `small`.
    """
    cfg = request.settings.config()
    for stream in row.backbones:
        convnet = convnet_of(cfg, stream)
        if convnet.backbone == "vgg" and convnet.norm == "none" and not convnet.weights:
            return True
    return False


def paper_request_of(cfg: RunConfig, **options: Any) -> Request:
    """A request from the settings of a command.

    Args:
      cfg: made by `configured`; `data.videos` is the folder of UCF101.
      **options: fields of `Request`.

    Raises:
      ConfigError: a setting that the rows decide themselves.
    """
    # Only what differs from the preset was given by the user.
    settings = Settings.of(cfg)
    for name in _OF_THE_ROWS:
        if name in settings.overrides:
            raise ConfigError(
                f"--{name.replace('__', '.')} is decided by each row of the paper; expected "
                "--seeds, --select_on_test, or `videolstm train` for a run of your own"
            )
    return Request(settings, **options)
