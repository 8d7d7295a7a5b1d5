"""Settings of what comes out of a trained model: scores, boxes, fusions, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import at_least, one_of, within
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class EvalConfig:
    """Video scores: softmax of every frame, summed over a segment, averaged over segments (Sec.
    5.2).
    """

    segments: int = 25
    segment_rule: str = "paper"
    """`paper`: equally spaced from the first frame to the last; `authors`: their integer rule."""
    batch: int = 16
    chunk: int = 32
    """Frames a step of the pass over whole videos; changes the memory, never the result."""
    states: str = "none"
    """Keep maps of the LSTM's `hidden` or `cell` state of the videos that the report shows; `none`
    keeps none.
    """
    allow_missing: bool = False
    """Leave test videos that could not be read (bad.jsonl) out of every accuracy; otherwise they
    count as wrong.
    """

    def __post_init__(self) -> None:
        one_of(self, "segment_rule", ("paper", "authors"))
        one_of(self, "states", ("none", "hidden", "cell"))
        at_least(self, 1, "segments", "batch", "chunk")


@dataclass(frozen=True)
class LocalizeConfig:
    """From attention to boxes to tubes (Sec. 4)."""

    input: str = "attention"
    """The maps that boxes are made of: `attention`; `weighted_features`, attention times the size of
    the features, Eq. (9); `motion`, their geometric mean with the flow without the camera's motion.
    """
    sigma: float = 20.0
    """Of the Gaussian, in pixels of a 224 x 224 input; scaled to each axis of the video."""
    theta: float = 100.0
    """The threshold on saliency in [0, 255] (Sec. 5.3)."""
    normalise: str = "frame"
    """Saliency is scaled so that the maximum of each `frame`, or of the whole `video`, is 255."""
    box: str = "region"
    """On each frame, the box around a `region` that passes theta, or that of the saliency's
    `moments`: no threshold.
    """
    span: int = 15
    """Frames that the locally weighted linear regression sees."""
    causal: bool = False
    """Boxes know of no later frame, as in a stream: the regression looks back only."""
    tubes: int = 1
    """Tubes a video: 1 follows one region, as the paper; n keeps the n heaviest of all linked
    regions, 0 every one.
    """
    trim: str = "none"
    """Cut the tubes of each class in time: `none`; where its frame scores beat `chance` (safe where
    videos may be trimmed already) or their own `mean` (always cuts), or `chance` and sharp
    attention (`saliency`)."""
    scores: str = ""
    """Score tubes with this fused score file instead of the run's own frame scores."""

    def __post_init__(self) -> None:
        one_of(self, "input", ("attention", "weighted_features", "motion"))
        one_of(self, "normalise", ("frame", "video"))
        one_of(self, "box", ("region", "moments"))
        one_of(self, "trim", ("none", "chance", "mean", "saliency"))
        at_least(self, 0, "sigma", "span", "tubes")
        within(self, 0, 255, "theta")
        if self.box == "moments" and self.tubes != 1:
            raise ConfigError(
                f"LocalizeConfig.tubes is {self.tubes} and box 'moments', which makes one box a frame; "
                "expected tubes 1, or box 'region'"
            )


@dataclass(frozen=True)
class FuseConfig:
    """Late fusion: the product of class scores (Sec. 5.2), weighted by exponents where streams
    differ.
    """

    runs: tuple[str, ...] = ()
    """Names of runs, or paths of score files."""
    weights: tuple[float, ...] = ()
    """One exponent a run; empty gives each 1."""
    name: str = "fused"


@dataclass(frozen=True)
class ReportConfig:
    """What the page of pictures shows."""

    examples: int = 12
    """Test videos shown with their attention and boxes; 0 shows none."""
    run: str = ""
    """The run whose attention is shown; empty takes the most accurate one that attends, with tubes
    if there is one.
    """

    def __post_init__(self) -> None:
        at_least(self, 0, "examples")


@dataclass(frozen=True)
class PredictConfig:
    """A trained model reading a stream; no part of a run, whose own settings it takes over."""

    model: str = ""
    """The folder of a bundle, or of a run, such as work/demo/runs/videolstm-rgb."""
    checkpoint: str = ""
    """Another name of `model`, for the folder of a run."""
    video: str = ""
    """A video file, the number of a camera, or - for standard input."""
    flow: str = ""
    """Another method of flow than the run was trained on: tvl1, or dis, which is fast; empty keeps
    the run's own.
    """
    output: str = ""
    """The annotated film, .mp4 or .mkv; empty: predicted/<name>.mp4 in the work folder; none: no
    film.
    """
    side: int = 640
    """Pixels of the longer edge of the film's panels."""
    max_frames: int = 0
    """Stop after so many frames; 0 reads to the end."""

    def __post_init__(self) -> None:
        if self.model and self.checkpoint:
            raise ConfigError("PredictConfig has both model and checkpoint; expected one of them")
        if not self.folder:
            raise ConfigError(
                "PredictConfig.checkpoint is empty; expected model or checkpoint, the folder of a run"
            )
        if not self.video:
            raise ConfigError(
                "PredictConfig.video is empty; expected a file, a camera's number or -"
            )
        one_of(self, "flow", ("", "tvl1", "dis", "opencv_tvl1"))
        at_least(self, 0, "max_frames")
        within(self, 16, 4096, "side")

    @property
    def folder(self) -> str:
        """The folder of the model, by whichever name it was given."""
        return self.model or self.checkpoint


@dataclass(frozen=True)
class BundleConfig:
    """A trained run that is written as a folder of its own; no part of a run."""

    run: str = ""
    """The folder of a run, such as work/demo/runs/videolstm-rgb."""
    to: str = ""
    """The folder to write, which must not exist yet."""

    def __post_init__(self) -> None:
        if not self.run:
            raise ConfigError("BundleConfig.run is empty; expected the folder of a run")
        if not self.to:
            raise ConfigError("BundleConfig.to is empty; expected the path of a new folder")


@dataclass(frozen=True)
class OverlayConfig:
    """Films and strips of what a run saw in videos of its walk; no part of a run."""

    run: str = ""
    """The folder of an evaluated run, such as work/demo/runs/videolstm-rgb."""
    videos: tuple[str, ...] = ()
    """Names of videos, "Class/stem"; empty takes `examples` of the test list, by the rule of the
    report.
    """
    examples: int = 6
    side: int = 640
    """Pixels of the longer edge of the film's panels; the strip's are half of it."""

    def __post_init__(self) -> None:
        if not self.run:
            raise ConfigError("OverlayConfig.run is empty; expected the folder of a run")
        at_least(self, 1, "examples")
        within(self, 16, 4096, "side")
