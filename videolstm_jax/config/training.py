"""Settings of one recurrent model and of its training."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import at_least, cell_names, one_of, within
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class ModelConfig:
    """One recurrent model: which cell, how large, and how the silent points of the paper are
    filled.
    """

    cell: str = "videolstm"
    """One of the six cells, or "package.module:ATTRIBUTE" for another one, see `core.find_cell`."""
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
    """Chance of zero before the fully connected layer; the authors' LSTM and ALSTM use .5 on both
    sides.
    """
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
        one_of(self, "start", ("zeros", "mean"))
        one_of(self, "init", ("glorot", "fan_in"))
        one_of(self, "engine", ("auto", "im2col", "native"))
        one_of(self, "dtype", ("float32", "bfloat16"))
        cell_names(self, "cell", self.cell)
        within(self, 0.0, 0.999, "dropout", "hidden_dropout")
        within(self, -1e6, 1e6, "attention_scale", "forget_bias")
        at_least(
            self,
            1,
            "map_size",
            "depth",
            "motion_size",
            "motion_depth",
            "classes",
            "hidden",
            "attention",
            "head",
        )
        for name in ("kernel", "motion_kernel"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ConfigError(
                    f"ModelConfig.{name} is {getattr(self, name)}; expected an odd side, 1, 3, 5 .."
                )


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
        one_of(self, "name", ("rmsprop", "adam"))
        one_of(self, "schedule", ("constant", "cosine"))
        at_least(self, 0, "learning_rate", "clip", "weight_decay")
        within(self, 0.0, 1.0, "decay")
        within(self, 1e-20, 1.0, "eps")  # not 0: a gradient of nothing would be divided by it


@dataclass(frozen=True)
class TrainConfig:
    """How long, how often things are written, and what training starts from."""

    steps: int = 20_000
    log_every: int = 20
    save_every: int = 1000
    keep: str = "last"
    """`last` checkpoint, or `best`: the one with the best validation accuracy (needs
    data.validation).
    """
    graft: tuple[str, ...] = ()
    """Runs whose parameters are taken over before training, each "run:part", part of cell.motion,
    cell.top ..
    """
    attention_entropy: float = 0.0
    """Taken off a frame's loss times the attention's entropy (in shares of the largest): 0 lets it
    be as sharp as it likes."""
    devices: int = 1
    """Devices the batch is spread over."""

    def __post_init__(self) -> None:
        one_of(self, "keep", ("last", "best"))
        at_least(self, 1, "steps", "log_every", "save_every", "devices")
        at_least(self, 0, "attention_entropy")
