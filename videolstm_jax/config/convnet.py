"""Settings of the ConvNet of a stream, whose features the cells read."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import at_least, sizes, within
from videolstm_jax.config.setting import check_settings, setting
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class ConvNetConfig:
    """The ConvNet of each stream, a VGG, and how it is fitted."""

    image_size: int = setting(
        224, "Pixels that both sides of a frame are squashed to, without a crop."
    )
    widths: tuple[int, ...] = setting(
        (64, 128, 256, 512, 512), "Channels of the convolutions in each block."
    )
    depths: tuple[int, ...] = setting(
        (2, 2, 3, 3, 3),
        "Convolutions in each block. Every block ends in a 2 x 2 max pool.",
    )
    dense: tuple[int, ...] = setting(
        (4096, 4096),
        "Units of the fully connected layers. The output of the last one is the tap called fc7.",
    )
    head: str = setting(
        "flatten",
        "What the first dense layer reads, flatten or pooled. `flatten`: the whole map; "
        "`pooled`: its mean and maximum.",
        choices=("flatten", "pooled"),
        advanced=True,
    )
    norm: str = setting(
        "none",
        "Normalisation, none or group. `none` as VGG; `group`: group normalisation after every "
        "convolution, for training from scratch.",
        choices=("none", "group"),
        advanced=True,
    )
    dropout: float = setting(0.5, "Chance of zero after each dense layer.", advanced=True)
    optimizer: str = setting("sgd", "Optimizer, sgd or adam.", choices=("sgd", "adam"))
    learning_rate: float = setting(1e-3, "Learning rate of the first step.")
    schedule: str = setting(
        "cosine",
        "Learning rate over time: cosine, steps or constant. `cosine` goes down to zero; "
        "`steps` takes a tenth after 40 % and again after 80 %.",
        choices=("cosine", "steps", "constant"),
        advanced=True,
    )
    train_layers: str = setting(
        "all",
        "Layers that are trained: all, dense or last. `dense`: the dense layers over frozen "
        "convolutions; `last`: the layer of the classes.",
        choices=("all", "dense", "last"),
    )
    weight_decay: float = setting(5e-4, "Weight decay.", advanced=True)
    batch: int = setting(64, "Frames in one training step.")
    steps: int = setting(20_000, "Training steps.")
    flip: bool = setting(
        True, "Mirror training frames at random. Flow changes the sign of its x component."
    )
    shift: float = setting(
        0.0,
        "Shift training frames at random by up to this share of their side.",
        advanced=True,
    )
    crop: float = setting(
        1.0,
        "Smallest share of a training frame's sides that a random crop keeps. The crop has "
        "between this share of height and width and all of it; 1 does not crop.",
        advanced=True,
    )
    preprocessing: str = setting(
        "auto",
        "Preprocessing of pixels: auto, caffe or torch. `caffe`: minus the ImageNet mean; "
        "`torch`: to unit deviation too; `auto`: as `weights` need it, else `caffe`.",
        choices=("auto", "caffe", "torch"),
        advanced=True,
    )
    pixel_scale: float = setting(
        1.0,
        "Factor on pixels after their mean is taken off. 1/58 gives them unit deviation, for "
        "networks trained from scratch.",
        advanced=True,
    )
    weights: str = setting(
        "",
        "What to start from: ImageNet weights, or a ConvNet; empty is random. ImageNet weights "
        "of a VGG (.h5, .pth, .safetensors, .npz), or the folder of another pipeline's ConvNet, "
        "such as work/demo/convnets/{stream}.",
        path=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        within(self, 0.0, 0.999, "dropout")
        within(self, 0.0, 0.5, "shift")
        within(self, 0.1, 1.0, "crop")
        # A scale above 1 or of 0 is a mistake: pixels lie in [0, 255], their mean taken off.
        within(self, 1e-4, 1.0, "pixel_scale")
        at_least(self, 1, "image_size", "batch", "steps")
        at_least(self, 0, "learning_rate", "weight_decay")
        sizes(self, "widths", "depths", "dense")
        blocks = len(self.widths)
        if blocks != len(self.depths):
            raise ConfigError(
                f"convnet.widths has {blocks} blocks and convnet.depths {len(self.depths)}; "
                "expected as many"
            )
        # Every block ends in a 2 x 2 pool. An odd side would lose its last row and column there.
        if self.image_size % 2**blocks:
            raise ConfigError(
                f"convnet.image_size is {self.image_size}; expected a multiple of "
                f"{2**blocks}, since each of the {blocks} blocks halves it"
            )
