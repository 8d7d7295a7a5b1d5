"""Settings of what comes in: the videos, their flow, and the ConvNets whose features the cells
read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from videolstm_jax.config.checks import at_least, one_of, sizes, within
from videolstm_jax.errors import ConfigError

STREAMS = ("rgb", "flow")


@dataclass(frozen=True)
class DataConfig:
    """Where the videos come from, which are for what, and how clips are drawn from them."""

    source: str = "folder"
    """`folder`: class folders of videos under `videos`; `stick_actions`: the built-in set, made on
    first use; `tfds:NAME/CONFIG`: a set of tensorflow-datasets, whose data_dir is `videos` (empty:
    where it keeps them)."""
    videos: str = ""
    """The folder that holds the class folders (or a folder with `videos/` and lists beside it)."""
    boxes: str = ""
    """True boxes, only ever used to measure: a file that launch.annotations reads; empty:
    boxes.json of `videos`.
    """
    split: int = 1
    """Which of the official lists trainlist0N.txt and testlist0N.txt is read, where there are
    lists.
    """
    lists: str = ""
    """The folder of the official lists; empty: `videos`, or one in or beside it that is called as
    UCF101's or HMDB51's. """
    classes: tuple[str, ...] = ()
    """Only these classes; `ucf101_24` stands for the 24 of UCF101 that have boxes; none takes all."""
    test_fraction: float = 0.25
    """Without lists: the share of groups held out as the test list."""
    validation: float = 0.0
    """The share of the training list's groups held out for validation; 0 trains on the whole list."""
    fps: float = 0.0
    """Resample videos to this rate; 0 keeps each video's own."""
    max_frames: int = 0
    """Read at most this many frames of a video; 0 reads all."""
    hold_out: str = ""
    """Hold out this one group as the test list, whatever the lists say (leave-one-group-out)."""
    stream: str = "rgb"
    """Which features the top LSTM reads: `rgb` or `flow`."""
    frames: int = 30
    """T, the clip length (Sec. 5.2)."""
    batch: int = 128
    order: str = "iid"
    """`iid`: every draw from the whole list ("128 videos sampled at each iteration"); `epochs`:
    shuffled passes.
    """
    short_clips: str = "mask"
    """Clips shorter than T repeat their last frame; `mask` leaves the repeats out of the loss,
    `count` keeps them.
    """
    feature_scale: str = "raw"
    """`raw`, or `std`: features divided by the standard deviation of the training list's."""
    feature_dtype: str = "float16"
    """How pool5 and fc7 are stored: `float16`, or `uint8`, half the size, with a root in between."""
    difficulty: str = "easy"
    """Stick actions only: `easy` or `hard`."""
    clips_per_class: int = 24
    """Stick actions only: training clips of each class."""
    test_clips_per_class: int = 8
    """Stick actions only: test clips of each class."""
    context: float = 0.0
    """Stick actions only: the chance that the background is the class's own."""
    on_bad_video: str = "fail"
    """`fail` at the first unreadable video, or `skip` it and list it in bad.jsonl."""
    workers: int = 2
    """Processes that decode and threads that read."""
    time_limit: float = 600.0
    """Seconds that decoding one video may take; a video that takes longer is a bad one."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"folder|stick_actions|tfds:.*[^/:]", self.source):
            raise ConfigError(
                f"DataConfig.source is {self.source!r}; expected 'folder', 'stick_actions' or 'tfds:' "
                "before a name such as ucf101/ucf101_1"
            )
        one_of(self, "stream", STREAMS)
        one_of(self, "order", ("iid", "epochs"))
        one_of(self, "short_clips", ("mask", "count"))
        one_of(self, "feature_scale", ("raw", "std"))
        one_of(self, "feature_dtype", ("float16", "uint8"))
        one_of(self, "difficulty", ("easy", "hard"))
        one_of(self, "on_bad_video", ("fail", "skip"))
        within(self, 0.0, 0.9, "test_fraction", "validation")
        within(self, 0.0, 1.0, "context")
        at_least(self, 0, "fps", "max_frames")
        at_least(
            self,
            1,
            "split",
            "frames",
            "batch",
            "clips_per_class",
            "test_clips_per_class",
            "workers",
        )
        within(self, 0.1, 86_400, "time_limit")  # threading.Timer cannot wait for ever


@dataclass(frozen=True)
class FlowConfig:
    """Optical flow: the method, the size it is computed at, and how it becomes an image in [0,
    255].
    """

    method: str = "tvl1"
    """`tvl1`, ours; `dis` (fast, rougher) or `opencv_tvl1`, OpenCV's, which must be installed
    (extra `opencv`).
    """
    width: int = 340
    height: int = 256
    """Pixels the frames are squashed to before flow; 0 by 0 keeps each video's own size."""
    bound: float = 20.0
    """Displacements of +-bound pixels fill [0, 255] (Sec. 5.1); 0 takes 20 * max(W, H) / 340."""
    percentile: float = 0.0
    """Not 0: the bound is this percentile of the displacements in a sample of the training list's
    pairs.
    """
    image: str = "jpeg"
    """`jpeg` at quality 95, as the authors' files, or `png`, lossless."""
    online: bool = False
    """Keep no flow: compute it where it is read. `extract` then makes the features of both streams
    in one pass.
    """

    def __post_init__(self) -> None:
        one_of(self, "method", ("tvl1", "dis", "opencv_tvl1"))
        one_of(self, "image", ("jpeg", "png"))
        at_least(self, 0, "width", "height", "bound")
        within(self, 0.0, 100.0, "percentile")
        if (self.width == 0) != (self.height == 0):
            raise ConfigError(
                f"FlowConfig is {self.width} x {self.height}; expected both sides, or 0 by 0"
            )


@dataclass(frozen=True)
class ConvNetConfig:
    """The VGG of each stream and how it is fitted."""

    image_size: int = 224
    """Frames are squashed to this many pixels on both sides, no crop."""
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    """Convolutions in each block; every block ends in a 2 x 2 max pool."""
    dense: tuple[int, ...] = (4096, 4096)
    """Fully connected layers; the last one's output is the tap called fc7."""
    head: str = "flatten"
    """What the first dense layer reads: the `flatten`ed map, or its `pooled` mean and maximum."""
    norm: str = "none"
    """`none` as VGG, or `group`: group normalisation after every convolution, for training from
    scratch.
    """
    dropout: float = 0.5
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    """The learning rate: `cosine` down to zero, `steps`, a tenth after 40 % and again after 80 %,
    or `constant`.
    """
    train_layers: str = "all"
    """What is trained: `all`, the `dense` layers over frozen convolutions, or the `last` layer,
    that of the classes.
    """
    weight_decay: float = 5e-4
    batch: int = 64
    steps: int = 20_000
    flip: bool = True
    """Mirror training frames at random; flow changes the sign of its x component."""
    shift: float = 0.0
    """Shift training frames at random by up to this share of their side."""
    crop: float = 1.0
    """Cut training frames at random to between this share of their height and width and all of it;
    1 does not.
    """
    preprocessing: str = "auto"
    """`caffe`: minus the ImageNet mean; `torch`: to unit deviation too; `auto`: as `weights` want
    it, else `caffe`.
    """
    pixel_scale: float = 1.0
    """What pixels are multiplied by, their mean taken off; 1/58 gives them unit deviation, for nets
    from scratch.
    """
    weights: str = ""
    """What to start from: ImageNet weights of a VGG (.h5, .pth, .safetensors, .npz), or the folder
    of another walk's ConvNet, such as "work/demo/convnets/{stream}"; empty is random."""

    def __post_init__(self) -> None:
        one_of(self, "head", ("flatten", "pooled"))
        one_of(self, "norm", ("none", "group"))
        one_of(self, "optimizer", ("sgd", "adam"))
        one_of(self, "schedule", ("cosine", "steps", "constant"))
        one_of(self, "train_layers", ("all", "dense", "last"))
        one_of(self, "preprocessing", ("auto", "caffe", "torch"))
        within(self, 0.0, 0.999, "dropout")
        within(self, 0.0, 0.5, "shift")
        within(self, 0.1, 1.0, "crop")
        within(self, 1e-4, 1.0, "pixel_scale")
        at_least(self, 1, "image_size", "batch", "steps")
        at_least(self, 0, "learning_rate", "weight_decay")
        sizes(self, "widths", "depths", "dense")
        if len(self.widths) != len(self.depths):
            raise ConfigError(
                f"ConvNetConfig has {len(self.widths)} widths and {len(self.depths)} depths; expected as many"
            )
        if self.image_size % 2 ** len(self.widths):
            raise ConfigError(
                f"ConvNetConfig.image_size is {self.image_size}; expected a multiple of {2 ** len(self.widths)}, "
                f"since each of the {len(self.widths)} blocks halves it"
            )
