"""Settings of commands that are no stage of a run: predict, bundle, overlay."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import check_setting_at_least, check_setting_within
from videolstm_jax.config.inputs import FLOW_METHODS
from videolstm_jax.config.setting import check_settings, setting
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class PredictConfig:
    """A trained model that reads a stream, with the settings that it was trained with."""

    model: str = setting(
        "",
        "The folder of a bundle, or of a run, such as work/demo/runs/videolstm-rgb.",
        path=True,
    )
    checkpoint: str = setting("", "Another name of `model`, for the folder of a run.", path=True)
    video: str = setting(
        "",
        "A video file, a camera's number, an address, or - for standard input. An address is "
        "such as rtsp://HOST/PATH.",
        path=True,
        address=True,
    )
    # Another method costs accuracy. But a stream may have to keep up with a camera, and TV-L1 be
    # too slow for it.
    flow: str = setting(
        "",
        "Another method of flow than in training, by its name in `flow.method`. `dis` is "
        "fast and rougher; it and `opencv_tvl1` need OpenCV. Empty takes the method of the model.",
        choices=("", *FLOW_METHODS),
    )
    output: str = setting(
        "",
        "The annotated film, .mp4 or .mkv; none makes no film. Empty writes "
        "predicted/<name>.mp4 in the work folder, or in the current folder for a bundle.",
        path=True,
    )
    side: int = setting(640, "Pixels of the longer edge of the film's panels.")
    max_frames: int = setting(0, "Stop after this many frames; 0 reads to the end.")

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        # `required` cannot say "one of two", so these fields are checked by hand.
        problem = ""
        if self.model and self.checkpoint:
            problem = "--model and --checkpoint are both given; expected one of them"
        elif not self.folder:
            problem = (
                "--model and --checkpoint are empty; expected one of them, the folder of a run"
            )
        elif not self.video:
            problem = "--video is empty; expected a file, a camera's number, an address or -"
        if problem:
            raise ConfigError(problem)
        check_setting_at_least(self, 0, "max_frames")
        # Encoders of films refuse pictures that are smaller or larger.
        check_setting_within(self, 16, 4096, "side")

    @property
    def folder(self) -> str:
        """The folder of the model, by whichever name it was given."""
        # `__post_init__` has refused both together, so the order of the two does not matter.
        return self.model or self.checkpoint


@dataclass(frozen=True)
class BundleConfig:
    """A trained model that is written as a folder of its own, which needs no work folder."""

    run: str = setting(
        "",
        "The folder of a run, such as work/demo/runs/videolstm-rgb.",
        path=True,
        required="the folder of a run",
    )
    to: str = setting(
        "",
        "The folder to write, which must not exist yet.",
        path=True,
        required="the path of a new folder",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)


@dataclass(frozen=True)
class OverlayConfig:
    """Films and strips of what a run predicted in videos of its pipeline."""

    run: str = setting(
        "",
        "The folder of an evaluated run, such as work/demo/runs/videolstm-rgb.",
        path=True,
        required="the folder of a run",
    )
    videos: tuple[str, ...] = setting(
        (),
        'Names of videos, "Class/stem". Empty takes `examples` of the test list, by the rule of '
        "the report.",
    )
    examples: int = setting(6, "Number of videos, where none is named.")
    side: int = setting(
        640,
        "Pixels of the longer edge of the film's panels. Those of the strip are half as long.",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 1, "examples")
        check_setting_within(self, 16, 4096, "side")
