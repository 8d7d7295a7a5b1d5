"""Settings of one recurrent model and of its training."""

from __future__ import annotations

import re
from dataclasses import dataclass

from videolstm_jax.config.checks import (
    check_setting_at_least,
    check_setting_cell_names,
    check_setting_within,
)
from videolstm_jax.config.setting import check_settings, require_setting, setting


@dataclass(frozen=True)
class ModelConfig:
    """One recurrent model: its cell, its sizes, and what the paper leaves open."""

    cell: str = setting(
        "videolstm",
        'The recurrent cell: one of the six, or "package.module:ATTRIBUTE". The page "Add a '
        'cell" and `core.find_cell` say how a cell of your own is found.',
    )
    # Sizes of VGG-16's pool5 at 224 pixels, and of UCF101.
    map_size: int = setting(
        7, "N, the side of the input map. The stages read it off the features, and set it."
    )
    depth: int = setting(
        512, "D, the depth of the input map. The stages read it off the features, and set it."
    )
    motion_size: int = setting(
        7, "M, the side of the motion map. The stages read it off the features, and set it."
    )
    motion_depth: int = setting(
        512, "E, the depth of the motion map. The stages read it off the features, and set it."
    )
    classes: int = setting(
        101, "C, the number of classes. The stages read it off the data set, and set it."
    )
    hidden: int = setting(512, "K, hidden channels of every LSTM (Sec. 5.2).")
    attention: int = setting(512, "A, channels of the attention of Eq. (7).")
    kernel: int = setting(
        3, "Side of the gate kernels of the convolutional cells (Sec. 5.2).", advanced=True
    )
    motion_kernel: int = setting(
        3, "Side of the motion LSTM's kernels; the authors' code has 1.", advanced=True
    )
    head: int = setting(
        1024, "Units of the fully connected layer before the softmax (Sec. 5.2).", advanced=True
    )
    dropout: float = setting(
        0.7,
        "Chance of zero after the fully connected layer (Sec. 5.2). It is drawn afresh for "
        "every frame.",
    )
    hidden_dropout: float = setting(
        0.0,
        "Chance of zero before the fully connected layer. The authors' LSTM and ALSTM use .5 on "
        "both sides.",
        advanced=True,
    )
    attention_scale: float = setting(1.0, "A constant factor on A * X, Eq. (9).", advanced=True)
    start: str = setting(
        "zeros",
        "The first carry, zeros or mean. `mean`: tanh of a convolution of the mean input over "
        "time.",
        choices=("zeros", "mean"),
        advanced=True,
    )
    init: str = setting(
        "glorot",
        "Initial parameters, glorot or fan_in. `glorot` uniform, or `fan_in`: uniform in "
        "+-1/sqrt(fan in), as the authors' code.",
        choices=("glorot", "fan_in"),
        advanced=True,
    )
    forget_bias: float = setting(0.0, "Initial bias of the forget gates.", advanced=True)
    engine: str = setting(
        "auto",
        "The convolution inside the scan: auto, im2col or native. `auto` picks by backend.",
        choices=("auto", "im2col", "native"),
        advanced=True,
    )
    dtype: str = setting(
        "float32",
        "Type of the large products, float32 or bfloat16. The cell state is always float32.",
        choices=("float32", "bfloat16"),
        advanced=True,
    )
    # For maps and batches whose activations of T steps do not fit into the memory of a device.
    remat: bool = setting(
        False,
        "Recompute each step in the backward pass instead of storing its activations.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_cell_names(self, "cell", self.cell)
        # Not 1: what remains is divided by the chance to remain.
        check_setting_within(self, 0.0, 0.999, "dropout", "hidden_dropout")
        # Any finite number may be meant; the bounds refuse NaN and infinity.
        check_setting_within(self, -1e6, 1e6, "attention_scale", "forget_bias")
        check_setting_at_least(
            self, 1, "map_size", "depth", "motion_size", "motion_depth", "classes"
        )
        check_setting_at_least(self, 1, "hidden", "attention", "head")
        for name in ("kernel", "motion_kernel"):
            side = getattr(self, name)
            # An even kernel has no middle, so its output would be shifted by half a pixel.
            fits = side >= 1 and side % 2 == 1
            require_setting(fits, f"model.{name}", side, "an odd side, 1, 3, 5 ..")


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer of the recurrent models (Sec. 5.2: RMSprop, learning rate 1e-3, decay .9)."""

    name: str = setting("rmsprop", "Optimizer, rmsprop or adam.", choices=("rmsprop", "adam"))
    learning_rate: float = setting(1e-3, "Learning rate (Sec. 5.2).")
    decay: float = setting(0.9, "Decay of RMSprop's mean of squares (Sec. 5.2).", advanced=True)
    eps: float = setting(1e-6, "Term inside the root, as the authors' code has it.", advanced=True)
    clip: float = setting(0.0, "Clip the gradient to this global norm; 0 does not clip.")
    schedule: str = setting(
        "constant",
        "Learning rate over time, constant or cosine. `cosine` goes down to zero at the last step.",
        choices=("constant", "cosine"),
    )
    weight_decay: float = setting(0.0, "Weight decay.", advanced=True)

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 0, "learning_rate", "clip", "weight_decay")
        check_setting_within(self, 0.0, 1.0, "decay")
        # Not 0: where the gradient is zero, the update would divide zero by zero.
        check_setting_within(self, 1e-20, 1.0, "eps")


@dataclass(frozen=True)
class TrainConfig:
    """How long training is, how often it writes, and what it starts from."""

    # The paper does not say how long it trains. The authors' code makes 15,000 to 30,000 updates.
    steps: int = setting(20_000, "Training steps.")
    log_every: int = setting(20, "Steps between two lines of metrics.jsonl.", advanced=True)
    save_every: int = setting(1000, "Steps between two checkpoints.")
    # `last`, because the paper names no list on which a checkpoint would be chosen.
    keep: str = setting(
        "last",
        "Checkpoint that is used later: last, best or best_on_test. `best`: the one with the best "
        "validation accuracy, which needs data.validation; `best_on_test`: the one with the best "
        "accuracy on the test list, as the authors' code. Its results are no results on new "
        "videos, and are marked.",
        choices=("last", "best", "best_on_test"),
    )
    graft: tuple[str, ...] = setting(
        (),
        'Parts of other runs to start from, each "run:part". Parts are cell.motion, cell.top '
        'and so on; "run:theirs=ours" takes a part under another name.',
    )
    backbone_from: str = setting(
        "",
        "First block of the backbone that is trained with the cell, or last_block. A block is such "
        "as block5. `extract` then stores the maps that the block reads. Empty trains the cell "
        "alone, on stored features.",
    )
    # Below 1: the block has been fitted already, and the cell starts from random numbers.
    backbone_rate: float = setting(
        0.1,
        "Learning rate of the backbone's block, as a factor of the cell's. Only with "
        "train.backbone_from; 0 leaves the block as it was fitted.",
        advanced=True,
    )
    attention_entropy: float = setting(
        0.0,
        "Weight of the attention's entropy, which is subtracted from the loss. The entropy is a "
        "share of the largest possible; 0 does not reward flat attention.",
        advanced=True,
    )
    balance: str = setting(
        "none",
        "How uneven classes are evened out: none, draws or loss. `draws`: every class is drawn as "
        "often; `loss`: the loss of each class is weighted, so that all have the same share. It "
        "holds for the backbones too.",
        choices=("none", "draws", "loss"),
    )
    nonfinite: str = setting(
        "abort",
        "A step whose loss, gradient or update is not finite, abort or skip. `abort`: training "
        "ends, and its last checkpoint stays; `skip`: parameters and optimizer stay as they were, "
        "and 10 such steps in a row end it. It holds for the backbones too.",
        choices=("abort", "skip"),
        advanced=True,
    )
    hash_every: int = setting(
        100,
        "Steps between two digests of the state in hashes.jsonl; 0 for none. `videolstm compare` "
        "reads them.",
        advanced=True,
    )
    devices: int = setting(
        0,
        "Devices that the batch is spread over, of all processes; 0 takes all.",
        advanced=True,
    )
    # Sums of floats depend on their order, and the order on the number of devices.
    shards: int = setting(
        0,
        "Parts of a batch whose gradients are added in a fixed order; 0 for none. Results then "
        "have the same bits on any number of devices that divides it.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 1, "steps", "log_every", "save_every")
        check_setting_at_least(self, 0, "attention_entropy", "devices", "shards", "hash_every")
        # Only the form: which blocks a backbone has is known once it is read.
        fits = re.fullmatch(r"|last_block|block[1-9]\d*", self.backbone_from) is not None
        expected = "last_block or a block, such as block5, or nothing"
        require_setting(fits, "train.backbone_from", self.backbone_from, expected)
        check_setting_within(self, 0.0, 100.0, "backbone_rate")
