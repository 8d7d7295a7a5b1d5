"""Every setting of the project: one frozen dataclass a subject, checked where it is made.

The defaults are the `paper` preset: the text to the letter, silent points filled plainly (see docs/decisions.md).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

CELL_NAMES = ("lstm", "alstm", "convlstm", "convalstm", "motion_alstm", "videolstm")
STREAMS = ("rgb", "flow")


class ConfigError(ValueError):
    """A setting that cannot be used: the message names the field, what was found and what was expected."""


def _one_of(owner: object, name: str, allowed: tuple) -> None:
    found = getattr(owner, name)
    if found not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected one of {choices}")


def _within(owner: object, low: float, high: float, *names: str) -> None:
    for name in names:
        found = getattr(owner, name)
        if not low <= found <= high:
            raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected {low} to {high}")


def _at_least(owner: object, low: float, *names: str) -> None:
    for name in names:
        found = getattr(owner, name)
        if not found >= low:
            raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected at least {low}")


@dataclass(frozen=True)
class ModelConfig:
    """One recurrent model: which cell, how large, and how the silent points of the paper are filled."""

    cell: str = "videolstm"
    """One of the six cells; ignored where `make_model` is given a cell of the caller's own."""
    map_size: int = 7
    """N, the side of the input map. Stages read it, the depths and the classes off the features."""
    depth: int = 512
    motion_size: int = 7
    motion_depth: int = 512
    classes: int = 101
    hidden: int = 512
    """K (Sec. 5.2)."""
    attention: int = 512
    """A, the channels of Eq. (7)."""
    kernel: int = 3
    """Side of the gate kernels of the convolutional cells (Sec. 5.2)."""
    motion_kernel: int = 3
    """Side of the motion LSTM's kernels; the authors' code has 1."""
    head: int = 1024
    """Units of the fully connected layer before the softmax (Sec. 5.2)."""
    dropout: float = 0.7
    """Chance of zero after the fully connected layer (Sec. 5.2), drawn afresh for every frame."""
    hidden_dropout: float = 0.0
    """Chance of zero before the fully connected layer; the authors' LSTM and ALSTM use .5 on both sides."""
    attention_scale: float = 1.0
    """A constant factor on A * X, Eq. (9)."""
    start: str = "zeros"
    """The first carry: `zeros`, or `mean`, tanh of a convolution of the mean input over time."""
    init: str = "glorot"
    """`glorot` uniform, or `fan_in`: uniform in +-1/sqrt(fan in), as the authors' code."""
    forget_bias: float = 0.0
    engine: str = "auto"
    """The convolution inside the scan: `im2col`, `native`, or `auto`, which picks by backend."""
    dtype: str = "float32"
    """What the large products are computed in; the cell state is always float32."""
    remat: bool = False
    """Recompute each step in the backward pass instead of keeping its activations."""

    def __post_init__(self) -> None:
        _one_of(self, "start", ("zeros", "mean"))
        _one_of(self, "init", ("glorot", "fan_in"))
        _one_of(self, "engine", ("auto", "im2col", "native"))
        _one_of(self, "dtype", ("float32", "bfloat16"))
        _one_of(self, "cell", CELL_NAMES)
        _within(self, 0.0, 0.999, "dropout", "hidden_dropout")
        _at_least(self, 1, "map_size", "depth", "motion_size", "motion_depth", "classes", "hidden", "attention", "head")
        for name in ("kernel", "motion_kernel"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ConfigError(f"ModelConfig.{name} is {getattr(self, name)}; expected an odd side, 1, 3, 5 ..")


@dataclass(frozen=True)
class DataConfig:
    """Where the videos come from, which are for what, and how clips are drawn from them."""

    source: str = "folder"
    """`folder`: class folders of videos under `videos`; `stick_actions`: the built-in set, made on first use;
    `tfds:NAME/CONFIG`: a set of tensorflow-datasets, whose data_dir is `videos` (empty: where it keeps them)."""
    videos: str = ""
    """The folder that holds the class folders (or a folder with `videos/` and lists beside it)."""
    boxes: str = ""
    """True boxes, only ever used to measure: a file that launch.annotations reads; empty: boxes.json of `videos`."""
    split: int = 1
    """Which of the official lists trainlist0N.txt and testlist0N.txt is read, where there are lists."""
    lists: str = ""
    """The folder of the official lists; empty: `videos`, or one in or beside it that is called as UCF101's or HMDB51's.
    """
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
    """`iid`: every draw from the whole list ("128 videos sampled at each iteration"); `epochs`: shuffled passes."""
    short_clips: str = "mask"
    """Clips shorter than T repeat their last frame; `mask` leaves the repeats out of the loss, `count` keeps them."""
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
            raise ConfigError(f"DataConfig.source is {self.source!r}; expected 'folder', 'stick_actions' or 'tfds:' "
                              "before a name such as ucf101/ucf101_1")
        _one_of(self, "stream", STREAMS)
        _one_of(self, "order", ("iid", "epochs"))
        _one_of(self, "short_clips", ("mask", "count"))
        _one_of(self, "feature_scale", ("raw", "std"))
        _one_of(self, "feature_dtype", ("float16", "uint8"))
        _one_of(self, "difficulty", ("easy", "hard"))
        _one_of(self, "on_bad_video", ("fail", "skip"))
        _within(self, 0.0, 0.9, "test_fraction", "validation")
        _within(self, 0.0, 1.0, "context")
        _at_least(self, 0, "fps", "max_frames")
        _at_least(self, 1, "split", "frames", "batch", "clips_per_class", "test_clips_per_class", "workers")
        _within(self, 0.1, 86_400, "time_limit")  # threading.Timer cannot wait for ever


@dataclass(frozen=True)
class FlowConfig:
    """Optical flow: the method, the size it is computed at, and how it becomes an image in [0, 255]."""

    method: str = "tvl1"
    """`tvl1`, ours; `dis` (fast, rougher) or `opencv_tvl1`, OpenCV's, which must be installed (extra `opencv`)."""
    width: int = 340
    height: int = 256
    """Pixels the frames are squashed to before flow; 0 by 0 keeps each video's own size."""
    bound: float = 20.0
    """Displacements of +-bound pixels fill [0, 255] (Sec. 5.1); 0 takes 20 * max(W, H) / 340."""
    percentile: float = 0.0
    """Not 0: the bound is this percentile of the displacements in a sample of the training list's pairs."""
    image: str = "jpeg"
    """`jpeg` at quality 95, as the authors' files, or `png`, lossless."""
    online: bool = False
    """Keep no flow: compute it where it is read. `extract` then makes the features of both streams in one pass."""

    def __post_init__(self) -> None:
        _one_of(self, "method", ("tvl1", "dis", "opencv_tvl1"))
        _one_of(self, "image", ("jpeg", "png"))
        _at_least(self, 0, "width", "height", "bound")
        _within(self, 0.0, 100.0, "percentile")
        if (self.width == 0) != (self.height == 0):
            raise ConfigError(f"FlowConfig is {self.width} x {self.height}; expected both sides, or 0 by 0")


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
    """`none` as VGG, or `group`: group normalisation after every convolution, for training from scratch."""
    dropout: float = 0.5
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    """The learning rate: `cosine` down to zero, `steps`, a tenth after 40 % and again after 80 %, or `constant`."""
    train_layers: str = "all"
    """What is trained: `all`, the `dense` layers over frozen convolutions, or the `last` layer, that of the classes."""
    weight_decay: float = 5e-4
    batch: int = 64
    steps: int = 20_000
    flip: bool = True
    """Mirror training frames at random; flow changes the sign of its x component."""
    shift: float = 0.0
    """Shift training frames at random by up to this share of their side."""
    crop: float = 1.0
    """Cut training frames at random to between this share of their height and width and all of it; 1 does not."""
    preprocessing: str = "auto"
    """`caffe`: minus the ImageNet mean; `torch`: to unit deviation too; `auto`: as `weights` want it, else `caffe`."""
    pixel_scale: float = 1.0
    """What pixels are multiplied by, their mean taken off; 1/58 gives them unit deviation, for nets from scratch."""
    weights: str = ""
    """What to start from: ImageNet weights of a VGG (.h5, .pth, .safetensors, .npz), or the folder of another walk's
    ConvNet, such as "work/demo/convnets/{stream}"; empty is random."""

    def __post_init__(self) -> None:
        _one_of(self, "head", ("flatten", "pooled"))
        _one_of(self, "norm", ("none", "group"))
        _one_of(self, "optimizer", ("sgd", "adam"))
        _one_of(self, "schedule", ("cosine", "steps", "constant"))
        _one_of(self, "train_layers", ("all", "dense", "last"))
        _one_of(self, "preprocessing", ("auto", "caffe", "torch"))
        _within(self, 0.0, 0.999, "dropout")
        _within(self, 0.0, 0.5, "shift")
        _within(self, 0.1, 1.0, "crop")
        _within(self, 1e-4, 1.0, "pixel_scale")
        _at_least(self, 1, "image_size", "batch", "steps")
        if len(self.widths) != len(self.depths) or not self.widths:
            raise ConfigError(
                f"ConvNetConfig has {len(self.widths)} widths and {len(self.depths)} depths; expected as many")
        if self.image_size % 2 ** len(self.widths):
            raise ConfigError(
                f"ConvNetConfig.image_size is {self.image_size}; expected a multiple of {2 ** len(self.widths)}, "
                f"since each of the {len(self.widths)} blocks halves it")


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer of the recurrent models (Sec. 5.2: RMSprop, learning rate 1e-3, decay .9)."""

    name: str = "rmsprop"
    learning_rate: float = 1e-3
    decay: float = 0.9
    eps: float = 1e-6
    """Inside the root, as the authors' code has it."""
    clip: float = 0.0
    """Clip the gradient to this global norm; 0 leaves it alone."""
    schedule: str = "constant"
    """`constant`, or `cosine` down to zero at the last step."""
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _one_of(self, "name", ("rmsprop", "adam"))
        _one_of(self, "schedule", ("constant", "cosine"))
        _at_least(self, 0, "learning_rate", "clip", "weight_decay")


@dataclass(frozen=True)
class TrainConfig:
    """How long, how often things are written, and what training starts from."""

    steps: int = 20_000
    log_every: int = 20
    save_every: int = 1000
    keep: str = "last"
    """`last` checkpoint, or `best`: the one with the best validation accuracy (needs data.validation)."""
    graft: tuple[str, ...] = ()
    """Runs whose parameters are taken over before training, each "run:part", part of cell.motion, cell.top .."""
    attention_entropy: float = 0.0
    """Taken off a frame's loss times the attention's entropy (in shares of the largest): 0 lets it be as sharp as it
    likes."""
    devices: int = 1
    """Devices the batch is spread over."""

    def __post_init__(self) -> None:
        _one_of(self, "keep", ("last", "best"))
        _at_least(self, 1, "steps", "log_every", "save_every", "devices")
        _at_least(self, 0, "attention_entropy")


@dataclass(frozen=True)
class EvalConfig:
    """Video scores: softmax of every frame, summed over a segment, averaged over segments (Sec. 5.2)."""

    segments: int = 25
    segment_rule: str = "paper"
    """`paper`: equally spaced from the first frame to the last; `authors`: their integer rule."""
    batch: int = 16
    chunk: int = 32
    """Frames a step of the pass over whole videos; changes the memory, never the result."""
    states: str = "none"
    """Keep maps of the LSTM's `hidden` or `cell` state of the videos that the report shows; `none` keeps none."""
    allow_missing: bool = False
    """Leave test videos that could not be read (bad.jsonl) out of every accuracy; otherwise they count as wrong."""

    def __post_init__(self) -> None:
        _one_of(self, "segment_rule", ("paper", "authors"))
        _one_of(self, "states", ("none", "hidden", "cell"))
        _at_least(self, 1, "segments", "batch", "chunk")


@dataclass(frozen=True)
class LocalizeConfig:
    """From attention to boxes to tubes (Sec. 4)."""

    sigma: float = 20.0
    """Of the Gaussian, in pixels of a 224 x 224 input; scaled to each axis of the video."""
    theta: float = 100.0
    """The threshold on saliency in [0, 255] (Sec. 5.3)."""
    normalise: str = "frame"
    """Saliency is scaled so that the maximum of each `frame`, or of the whole `video`, is 255."""
    box: str = "region"
    """On each frame, the box around a `region` that passes theta, or that of the saliency's `moments`: no threshold."""
    span: int = 15
    """Frames that the locally weighted linear regression sees."""
    causal: bool = False
    """Boxes know of no later frame, as in a stream: the regression looks back only."""
    tubes: int = 1
    """Tubes a video: 1 follows one region, as the paper; n keeps the n heaviest of all linked regions, 0 every one."""
    trim: str = "none"
    """Cut the tubes of each class in time: `none`; where its frame scores beat `chance` (safe where videos may be
    trimmed already) or their own `mean` (always cuts), or `chance` and sharp attention (`saliency`)."""
    scores: str = ""
    """Score tubes with this fused score file instead of the run's own frame scores."""

    def __post_init__(self) -> None:
        _one_of(self, "normalise", ("frame", "video"))
        _one_of(self, "box", ("region", "moments"))
        _one_of(self, "trim", ("none", "chance", "mean", "saliency"))
        _at_least(self, 0, "sigma", "span", "tubes")
        _within(self, 0, 255, "theta")
        if self.box == "moments" and self.tubes != 1:
            raise ConfigError(f"LocalizeConfig.tubes is {self.tubes} and box 'moments', which makes one box a frame; "
                              "expected tubes 1, or box 'region'")


@dataclass(frozen=True)
class FuseConfig:
    """Late fusion: the product of class scores (Sec. 5.2), weighted by exponents where streams differ."""

    runs: tuple[str, ...] = ()
    """Names of runs, or paths of score files."""
    weights: tuple[float, ...] = ()
    """One exponent a run; empty gives each 1."""
    name: str = "fused"


@dataclass(frozen=True)
class WalkConfig:
    """Which models a walk through all stages trains."""

    cells: tuple[str, ...] = ("videolstm",)
    """Cells trained on RGB (with flow as the motion input of the motion cells); the last one is fused."""
    flow_cell: str = "videolstm"
    """The cell trained on flow features, to fuse with: both halves of "RGB input and optical flow input" (Sec. 5.5)."""

    def __post_init__(self) -> None:
        for cell in (*self.cells, self.flow_cell):
            if cell not in CELL_NAMES:
                raise ConfigError(f"WalkConfig names the cell {cell!r}; expected one of {', '.join(CELL_NAMES)}")
        if not self.cells or len(set(self.cells)) != len(self.cells):
            raise ConfigError(f"WalkConfig.cells is {self.cells}; expected one or more different cells")


@dataclass(frozen=True)
class ReportConfig:
    """What the page of pictures shows."""

    examples: int = 12
    """Test videos shown with their attention and boxes; 0 shows none."""
    run: str = ""
    """The run whose attention is shown; empty takes the most accurate one that attends, with tubes if there is one."""

    def __post_init__(self) -> None:
        _at_least(self, 0, "examples")


@dataclass(frozen=True)
class PredictConfig:
    """A trained run reading a stream; no part of a run, whose own settings it takes over."""

    checkpoint: str = ""
    """The folder of a run, such as work/demo/runs/videolstm-rgb; its ConvNets lie where the walk left them."""
    video: str = ""
    """A video file, the number of a camera, or - for standard input."""
    flow: str = ""
    """Another method of flow than the run was trained on: tvl1, or dis, which is fast; empty keeps the run's own."""
    output: str = ""
    """The annotated film, .mp4 or .mkv; empty: predicted/<name>.mp4 in the work folder; none: no film."""
    side: int = 640
    """Pixels of the longer edge of the film's panels."""
    max_frames: int = 0
    """Stop after so many frames; 0 reads to the end."""

    def __post_init__(self) -> None:
        for name, wanted in (("checkpoint", "the folder of a run"), ("video", "a file, a camera's number or -")):
            if not getattr(self, name):
                raise ConfigError(f"PredictConfig.{name} is empty; expected {wanted}")
        _one_of(self, "flow", ("", "tvl1", "dis", "opencv_tvl1"))
        _at_least(self, 0, "max_frames")
        _within(self, 16, 4096, "side")


@dataclass(frozen=True)
class OverlayConfig:
    """Films and strips of what a run saw in videos of its walk; no part of a run."""

    run: str = ""
    """The folder of an evaluated run, such as work/demo/runs/videolstm-rgb."""
    videos: tuple[str, ...] = ()
    """Names of videos, "Class/stem"; empty takes `examples` of the test list, by the rule of the report."""
    examples: int = 6
    side: int = 640
    """Pixels of the longer edge of the film's panels; the strip's are half of it."""

    def __post_init__(self) -> None:
        if not self.run:
            raise ConfigError("OverlayConfig.run is empty; expected the folder of a run")
        _at_least(self, 1, "examples")
        _within(self, 16, 4096, "side")


@dataclass(frozen=True)
class RunConfig:
    """One run: everything a stage needs to know."""

    name: str = ""
    """Names the run's folder; empty means "<cell>-<stream>"."""
    preset: str = "paper"
    workdir: str = "work"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    convnet: ConvNetConfig = field(default_factory=ConvNetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    fuse: FuseConfig = field(default_factory=FuseConfig)
    localize: LocalizeConfig = field(default_factory=LocalizeConfig)
    walk: WalkConfig = field(default_factory=WalkConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        _at_least(self, 0, "seed")
        if not self.workdir:
            raise ConfigError("RunConfig.workdir is empty; expected a folder")
        if self.train.keep == "best" and not self.data.validation:
            raise ConfigError("train.keep is 'best' but data.validation is 0; expected a share of groups to hold out")

    @property
    def run_name(self) -> str:
        """The folder of this run under `runs/`."""
        return self.name or f"{self.model.cell}-{self.data.stream}"


def change(cfg: RunConfig, **settings: object) -> RunConfig:
    """The same run with other settings, given as `section__field=value` or `field=value`.

    Raises:
      ConfigError: a section or field that does not exist.
    """
    sections: dict[str, dict[str, object]] = {}
    top: dict[str, object] = {}
    for path, value in settings.items():
        section, _, name = path.rpartition("__")
        owner = getattr(cfg, section, None) if section else cfg
        if not dataclasses.is_dataclass(owner) or name not in {f.name for f in dataclasses.fields(owner)}:
            raise ConfigError(f"there is no setting {path.replace('__', '.')}")
        (sections.setdefault(section, {}) if section else top)[name] = value
    replaced = {name: dataclasses.replace(getattr(cfg, name), **values) for name, values in sections.items()}
    return dataclasses.replace(cfg, **replaced, **top)
