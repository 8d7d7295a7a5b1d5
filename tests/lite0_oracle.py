"""EfficientNet-Lite0 in NumPy, written from its table of layers: the oracle of `nn.lite0`.

It reads the tensors as the published file has them, by the file's own names, with the batch
normalisation apart, and computes in float64 with plain sums over the kernel's places.
"""

import numpy as np

EPSILON = 1e-3
# Kernel and stride of every block; widths are those of the file's tensors.
KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)


def forward(tensors, image):
    """The maps behind block 11 and 16 and the head, the mean of the head, and the logits.

    Args:
      tensors: of the file, by its names.
      image: [S, S, 3] uint8, R, G, B.
    """
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    x = (image.astype(np.float64) - 127) / 128
    x = relu6(normalised(tensors, "_bn0", convolved(x, tensors["_conv_stem.weight"], 2)))
    maps = {}
    for block, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True)):
        x = mobile_block(tensors, f"_blocks.{block}.", x, kernel, stride)
        maps[block + 1] = x
    head = relu6(normalised(tensors, "_bn1", convolved(x, tensors["_conv_head.weight"], 1)))
    mean = head.mean((0, 1))
    logits = tensors["_fc.weight"] @ mean + tensors["_fc.bias"]
    return {"stage5": maps[11], "stage7": maps[16], "head": head, "fc7": mean, "logits": logits}


def mobile_block(tensors, prefix, x, kernel, stride):
    y = x
    if prefix + "_expand_conv.weight" in tensors:
        y = convolved(y, tensors[prefix + "_expand_conv.weight"], 1)
        y = relu6(normalised(tensors, prefix + "_bn0", y))
    weight = tensors[prefix + "_depthwise_conv.weight"]
    assert weight.shape[1:] == (1, kernel, kernel)
    y = relu6(normalised(tensors, prefix + "_bn1", each_channel_convolved(y, weight, stride)))
    y = convolved(y, tensors[prefix + "_project_conv.weight"], 1)
    y = normalised(tensors, prefix + "_bn2", y)
    return x + y if x.shape == y.shape else y


def normalised(tensors, name, x):
    scale, shift, mean, variance = (
        tensors[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift


def relu6(x):
    return np.minimum(np.maximum(x, 0), 6)


def places(x, size, stride):
    """For each place of a kernel, the pixels below it: row, column, [N, N, D].

    SAME padding as TensorFlow has it: N = ceil(S / stride), and what is odd goes to the end.
    """
    steps = [-(-side // stride) for side in x.shape[:2]]
    totals = [
        max((n - 1) * stride + size - side, 0) for n, side in zip(steps, x.shape, strict=False)
    ]
    x = np.pad(x, [*((total // 2, total - total // 2) for total in totals), (0, 0)])
    for row in range(size):
        for column in range(size):
            rows = row + stride * np.arange(steps[0])
            columns = column + stride * np.arange(steps[1])
            yield row, column, x[np.ix_(rows, columns)]


def convolved(x, weight, stride):
    """A convolution with a kernel O I k k."""
    return sum(
        pixels @ weight[:, :, row, column].T
        for row, column, pixels in places(x, weight.shape[2], stride)
    )


def each_channel_convolved(x, weight, stride):
    """A convolution of every channel with its own kernel, C 1 k k."""
    return sum(
        pixels * weight[:, 0, row, column]
        for row, column, pixels in places(x, weight.shape[2], stride)
    )
