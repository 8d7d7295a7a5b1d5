"""Settings of the results of a trained model: scores, boxes, fusions, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import (
    check_setting_at_least,
    check_setting_file_names,
    check_setting_within,
)
from videolstm_jax.config.setting import check_settings, setting
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class EvalConfig:
    """Scores of videos: the mean over segments of summed frame probabilities (Sec. 5.2)."""

    segments: int = setting(25, "S, the number of segments of each test video (Sec. 5.2).")
    segment_rule: str = setting(
        "paper",
        "Where segments start, paper or authors. `paper`: equally spaced from the first frame "
        "to the last; `authors`: their integer rule.",
        choices=("paper", "authors"),
        advanced=True,
    )
    batch: int = setting(
        16, "Segments, or whole videos, that are computed together.", advanced=True
    )
    chunk: int = setting(
        32,
        "Frames in one step of the pass over whole videos. It changes the memory, never the "
        "result.",
        advanced=True,
    )
    part: str = setting(
        "test",
        "The list to score, test or valid. `valid` writes scores_valid.npz only, for the weights "
        "of a fusion.",
        choices=("test", "valid"),
    )
    states: str = setting(
        "none",
        "Maps of the cell's state to store: none, hidden or cell. They are stored for the "
        "videos that the report shows.",
        choices=("none", "hidden", "cell"),
    )
    # Two switches that make a number better than a published one may be, so neither is on by
    # default, and results name them.
    allow_missing: bool = setting(
        False,
        "Leave unreadable test videos out of every accuracy. They are listed in bad.jsonl; "
        "otherwise they count as wrong.",
    )
    allow_trained: bool = setting(
        False,
        "Evaluate on videos that the model was trained on too. Every result then says so; "
        "otherwise such a test list is refused.",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 1, "segments", "batch", "chunk")


@dataclass(frozen=True)
class LocalizeConfig:
    """From attention to boxes to tubes (Sec. 4)."""

    input: str = setting(
        "attention",
        "Maps that make boxes: attention, weighted_features, motion or foreground. "
        "`weighted_features`: attention times the size of the features, Eq. (9); `motion`: "
        "their geometric mean with the flow without the camera's motion; `foreground`: where "
        "features differ most from those of the background, without attention.",
        choices=("attention", "weighted_features", "motion", "foreground"),
    )
    # Theta is the paper's. Sigma is that of an ALSTM notebook of the same lab, the span of the
    # regression is ours (docs/decisions.md).
    sigma: float = setting(
        20.0,
        "Sigma of the Gaussian, in pixels of a 224 x 224 input. It is scaled to each axis of "
        "the video.",
    )
    theta: float = setting(100.0, "The threshold on saliency in [0, 255] (Sec. 5.3).")
    normalise: str = setting(
        "frame",
        "Scale of saliency, frame or video. The maximum of each frame, or of the whole video, "
        "becomes 255.",
        choices=("frame", "video"),
    )
    box: str = setting(
        "region",
        "How a box is made, region or moments. `region`: the box around a region that passes "
        "theta; `moments`: the box of the saliency's moments, without a threshold.",
        choices=("region", "moments"),
    )
    span: int = setting(15, "Frames that the locally weighted linear regression uses.")
    causal: bool = setting(
        False, "Boxes use no later frame, as in a stream. The regression looks back only."
    )
    tubes: int = setting(
        1,
        "Tubes in a video. 1 follows one region, as the paper; n returns the n heaviest of all "
        "linked regions, 0 all of them.",
    )
    trim: str = setting(
        "none",
        "Cut the tubes of each class in time: none, chance, mean or saliency. A tube stays "
        "where its frame scores beat `chance` (safe where videos may be trimmed already) or "
        "their own `mean` (always cuts), or `chance` and sharp attention (`saliency`).",
        choices=("none", "chance", "mean", "saliency"),
    )
    name: str = setting(
        "",
        "Name of these tubes: tubes-NAME.jsonl and map-NAME.json. Empty writes tubes.jsonl and "
        "map.json, which the report and the stream read; other names are for comparisons.",
        advanced=True,
    )
    scores: str = setting(
        "",
        "Fused score file that scores the tubes. Empty takes the frame scores of the run itself.",
        path=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_file_names(self, "name")
        check_setting_at_least(self, 0, "sigma", "span", "tubes")
        # The range of saliency, whose maximum is 255 (Sec. 5.3).
        check_setting_within(self, 0, 255, "theta")
        # Several tubes are linked from several boxes of a frame, and moments give one. Refused, and
        # not ignored: a user who asked for several would read one tube as all there is.
        if self.box == "moments" and self.tubes != 1:
            raise ConfigError(
                f"localize.tubes is {self.tubes} and localize.box 'moments', which makes one box a "
                "frame; expected tubes 1, or box 'region'"
            )


@dataclass(frozen=True)
class FuseConfig:
    """Late fusion: the product of class scores (Sec. 5.2), with exponents as weights of streams.

    The mean is the usual alternative. Weights are given, or searched on a validation list.
    """

    runs: tuple[str, ...] = setting((), "Names of runs, or paths of score files.", path=True)
    weights: tuple[float, ...] = setting((), "One exponent for each run; empty gives each 1.")
    method: str = setting(
        "product",
        "How scores are fused, product or mean. `product`: each to the power of its weight; "
        "`mean`: the weighted mean.",
        choices=("product", "mean"),
    )
    search: bool = setting(
        False, "Search the weights on the validation list. Its scores are those of `validation`."
    )
    validation: tuple[str, ...] = setting(
        (),
        "Score files of the validation list, one for each run. Empty takes those that `evaluate` "
        "writes with --eval.part=valid.",
        path=True,
    )
    name: str = setting("fused", "Name of the fused scores, fused/<name>.npz.")

    def __post_init__(self) -> None:
        """Expands `~` in the paths of score files.

        Raises:
          ConfigError: weights that are given and searched.
        """
        check_settings(self)
        check_setting_file_names(self, "name")
        # Refused, and not ignored: a user who gave both could not tell which of them a result has.
        problem = ""
        if self.search and self.weights:
            problem = "fuse.weights is given, and fuse.search too; expected one of them"
        elif self.validation and not self.search:
            problem = "fuse.validation is given without fuse.search; expected both"
        if problem:
            raise ConfigError(problem)


@dataclass(frozen=True)
class ReportConfig:
    """What the page of pictures shows."""

    examples: int = setting(12, "Test videos shown with their attention and boxes; 0 shows none.")
    run: str = setting(
        "",
        "The run whose attention is shown. Empty takes the most accurate one that attends, with "
        "tubes if there is one.",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_setting_at_least(self, 0, "examples")
        check_setting_file_names(self, "run")
