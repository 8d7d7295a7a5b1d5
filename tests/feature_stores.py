"""Small feature stores of random numbers, for the tests of the store."""

import numpy as np

from videolstm_jax.features.writer import FeatureWriter

ABOUT = {"extractor": "vgg", "size": [224, 224]}


def values(seed, length, shape=(2, 2, 3)):
    """[length, *shape] float32 of random features."""
    return np.random.default_rng(seed).normal(size=(length, *shape)).astype(np.float32)


def written(folder, shape=(2, 2, 3), **lengths):
    """Writes a finished store of videos with these lengths; returns their arrays by name."""
    writer = FeatureWriter(folder, shape, ABOUT)
    arrays = {}
    for seed, (stem, length) in enumerate(lengths.items()):
        arrays[f"c/{stem}"] = values(seed, length, shape)
        writer.write(f"c/{stem}", arrays[f"c/{stem}"])
    writer.finish(arrays)
    return arrays


def files(folder):
    """The relative paths of all files."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
