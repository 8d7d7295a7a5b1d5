"""Settings of the inputs: the videos and their optical flow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from videolstm_jax.config.checks import check_setting_at_least, check_setting_within
from videolstm_jax.config.setting import check_settings, require_setting, setting
from videolstm_jax.errors import ConfigError

# Appearance and motion, each with a backbone of its own.
STREAMS = ("rgb", "flow")
FITS = ("squash", "pad", "crop")
"""How pictures of any shape become a square; see `square.square_window`."""


@dataclass(frozen=True)
class DataConfig:
    """Where the videos come from, which part each belongs to, and how clips are drawn from them."""

    source: str = setting(
        "folder",
        "Kind of data set: folder, stick_actions or tfds:NAME/CONFIG. `folder`: class folders "
        "of videos under `videos`; `stick_actions`: the built-in set, made on first use; "
        "`tfds:NAME/CONFIG`: a set of tensorflow-datasets, whose data_dir is `videos` (empty: "
        "its default folder).",
    )
    videos: str = setting(
        "",
        "The folder that holds the class folders. It may also hold them in a folder `videos/` "
        "with the lists beside it.",
        path=True,
    )
    boxes: str = setting(
        "",
        "File of true boxes, which are only used to measure. Any file that the command "
        "annotations reads; empty takes boxes.json of `videos`.",
        path=True,
    )
    split: int = setting(
        1,
        "Number of the official split to read. It is the N of trainlist0N.txt and "
        "testlist0N.txt, where there are lists.",
    )
    lists: str = setting(
        "",
        "The folder of the official lists. Empty takes `videos`, or a folder in it or beside it "
        "that has the name of UCF101's or HMDB51's.",
        path=True,
    )
    classes: tuple[str, ...] = setting(
        (),
        "Use only these classes; empty uses all. `ucf101_24` stands for the 24 classes of "
        "UCF101 that have boxes.",
    )
    test_fraction: float = setting(
        0.25, "Share of the groups held out as test list, where there are no lists."
    )
    validation: float = setting(
        0.0,
        "Share of the training list's groups held out for validation. 0 trains on the whole list.",
    )
    fps: float = setting(0.0, "Resample videos to this rate; 0 keeps the rate of each video.")
    max_frames: int = setting(
        0, "Read at most this many frames of a video; 0 reads all.", advanced=True
    )
    hold_out: str = setting(
        "",
        "Hold out this one group as the test list. It wins over the lists (leave-one-group-out).",
    )
    group_pattern: str = setting(
        "",
        "Regular expression that finds the group of a video in its file's name. The group is "
        "`(?P<group>..)` or the first pair of parentheses, as in '^(.+)_[0-9]+$'. A pattern that "
        "has / is searched in the path below `videos`.",
    )
    stream: str = setting(
        "rgb", "Stream of features that the top LSTM reads, rgb or flow.", choices=STREAMS
    )
    fit: str = setting(
        "squash",
        "How frames become the square of a backbone: squash, pad or crop. "
        "`squash`: both sides are scaled independently, as in the paper; `pad`: the longer side "
        "fits, and what is missing is filled; `crop`: the shorter side fits, and the centre is "
        "cut out.",
        choices=FITS,
    )
    # Where no section is named here the paper is silent, and docs/decisions.md says what the
    # authors' code does.
    frames: int = setting(30, "T, the length of a clip in frames (Sec. 5.2).")
    batch: int = setting(128, "B, clips in one training step (Sec. 5.2).")
    order: str = setting(
        "iid",
        "How training clips are drawn, iid or epochs. `iid`: every clip from the whole list "
        '("128 videos sampled at each iteration"); `epochs`: shuffled passes over the list.',
        choices=("iid", "epochs"),
    )
    short_clips: str = setting(
        "mask",
        "What clips shorter than T do, mask or count. They repeat their last frame; `mask` "
        "leaves the repeats out of the loss, `count` keeps them.",
        choices=("mask", "count"),
        advanced=True,
    )
    feature_scale: str = setting(
        "raw",
        "Scale of the features, raw or std. `std`: features divided by the standard deviation "
        "of the training list's.",
        choices=("raw", "std"),
    )
    feature_dtype: str = setting(
        "float16",
        "How pool5 and fc7 are stored, float16 or uint8. `uint8` takes half the space; a square "
        "root is stored.",
        choices=("float16", "uint8"),
    )
    mirrored: bool = setting(
        False,
        "Train on mirrored features too. `extract` stores those of the training list; `train` "
        "draws each clip as filmed or mirrored, one as often as the other. Flow changes the sign "
        "of its x component.",
    )
    # Not never: a flipped bit in a record changes results, and nothing else would show it.
    verify: str = setting(
        "once",
        "Compare features with their index: once, always or never. `once`: before they are first "
        "read, and again after they changed; `always`: in every stage that reads them; `never`: "
        "sizes only.",
        choices=("once", "always", "never"),
        advanced=True,
    )
    difficulty: str = setting("easy", "Stick actions only: easy or hard.", choices=("easy", "hard"))
    clips_per_class: int = setting(
        24, "Stick actions only: training clips of each class.", advanced=True
    )
    test_clips_per_class: int = setting(
        8, "Stick actions only: test clips of each class.", advanced=True
    )
    context: float = setting(
        0.0,
        "Stick actions only: the chance that the background is the class's own.",
        advanced=True,
    )
    # `fail` by default: a result on fewer videos is no result on the data set.
    on_bad_video: str = setting(
        "fail",
        "What an unreadable video does, fail or skip. `fail` stops at the first one, `skip` "
        "lists it in bad.jsonl.",
        choices=("fail", "skip"),
    )
    follow_links: bool = setting(
        False,
        "Whether labels.csv may name files that lie elsewhere, through links. Class folders may "
        "have such symbolic links in any case.",
        advanced=True,
    )
    workers: int = setting(2, "Processes that decode, and threads that read.")
    time_limit: float = setting(
        600.0,
        "Seconds that decoding one video may take. A video that takes longer is a bad one.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        # The name of a set of tensorflow-datasets is checked where that package is imported.
        fits = re.fullmatch(r"folder|stick_actions|tfds:.*[^/:]", self.source) is not None
        expected = "'folder', 'stick_actions' or 'tfds:' before a name such as ucf101/ucf101_1"
        require_setting(fits, "data.source", self.source, expected)
        _check_pattern(self.group_pattern)
        # At most .9, so that some groups are left for training.
        check_setting_within(self, 0.0, 0.9, "test_fraction", "validation")
        # At 1 the background alone tells the class.
        check_setting_within(self, 0.0, 1.0, "context")
        check_setting_at_least(self, 0, "fps", "max_frames")
        check_setting_at_least(self, 1, "split", "frames", "batch", "workers")
        check_setting_at_least(self, 1, "clips_per_class", "test_clips_per_class")
        # threading.Timer cannot wait for ever, so there is no "no limit".
        check_setting_within(self, 0.1, 86_400, "time_limit")


def _check_pattern(pattern: str) -> None:
    """Raises ConfigError for a regular expression that cannot find groups."""
    try:
        groups = re.compile(pattern).groups
    # Nested too deeply, or with a repeat beyond 32 bits, Python raises errors of other kinds.
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(
            f"data.group_pattern is {pattern!r}: {error}; expected a regular expression"
        ) from error
    # The whole match is never a group by itself: it would put each video in a group of its own.
    expected = "parentheses around the group, such as '^(.+)_[0-9]+$'"
    require_setting(not pattern or groups > 0, "data.group_pattern", pattern, expected)


FLOW_METHODS = ("tvl1", "tvl1_edges", "dis", "opencv_tvl1")
"""The values of `flow.method`."""


@dataclass(frozen=True)
class FlowConfig:
    """Optical flow: the method, the size it is computed at, and how it becomes an image."""

    method: str = setting(
        "tvl1",
        "Method of optical flow: tvl1, tvl1_edges, dis or opencv_tvl1. `tvl1` is ours; "
        "`tvl1_edges` is its variant with smaller errors on seven measured pairs. `dis` "
        "(fast, rougher) and `opencv_tvl1` are OpenCV's, which must be installed (extra `opencv`).",
        choices=FLOW_METHODS,
    )
    # 340 x 256 is the size at which the authors computed flow; see docs/decisions.md.
    width: int = setting(
        340,
        "Width in pixels that frames are squashed to before flow. A width of 0 with a height of "
        "0 keeps the shape and the size of each video. With `data.fit` pad or crop, frames keep "
        "their shape and are scaled to fit into the width and the height.",
    )
    height: int = setting(
        256,
        "Height in pixels that frames are squashed to before flow; see `flow.width`.",
    )
    convnet_sides: float = setting(
        0.0,
        "Only with a width and height of 0: the size of flow follows the backbone. Frames are "
        "scaled down until their shorter side is this many times `convnet.image_size`; smaller "
        "frames keep their size. 0 keeps the size of each video.",
    )
    bound: float = setting(
        20.0,
        "Displacements of +-bound pixels fill the image's range [0, 255] (Sec. 5.1). 0 takes 20 "
        "* max(W, H) / 340.",
        advanced=True,
    )
    percentile: float = setting(
        0.0,
        "If not 0, the bound is this percentile of real displacements. They are measured on a "
        "sample of the training list's pairs of frames.",
        advanced=True,
    )
    image: str = setting(
        "jpeg",
        "How flow images are stored, jpeg or png. `jpeg` has quality 95, as the authors' files; "
        "`png` is lossless.",
        choices=("jpeg", "png"),
        advanced=True,
    )
    online: bool = setting(
        False,
        "Store no flow; compute it where it is read. `extract` then makes the features of both "
        "streams in one pass.",
    )

    def shorter_side(self, image_size: int) -> int:
        """The largest shorter side of flow in pixels, for a backbone of this size; 0 for any."""
        # A fixed width and height decide the size alone.
        if self.width:
            return 0
        return round(self.convnet_sides * image_size)

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 0, "width", "height", "convnet_sides", "bound")
        check_setting_within(self, 0.0, 100.0, "percentile")
        # One side alone would not say which shape the other one keeps.
        if (self.width == 0) != (self.height == 0):
            raise ConfigError(
                f"flow.width x flow.height is {self.width} x {self.height}; expected "
                "both sides, or 0 by 0"
            )
