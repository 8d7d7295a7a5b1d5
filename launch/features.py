"""Looks at, checks, halves or imports stores of features.

Usage:
  python -m launch.features inspect DIR ..
  python -m launch.features verify DIR ..
  python -m launch.features compact FROM TO                (float16 to uint8)
  python -m launch.features authors FROM TO --dataset=work/dataset.json [--lists=DIR]
  python -m launch.features sharma FROM TO --dataset=work/dataset.json [--side=7]
"""

import json
import os

from absl import app, flags
from etils import epath

from launch import boot
from videolstm_jax.artifacts import load_dataset, save_dataset
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.compact import compact
from videolstm_jax.features.inspection import inspect
from videolstm_jax.features.store import FeatureStore

_DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "authors, sharma: the list of videos to import; written from the lists "
    "that lie beside the features where it is not there yet.",
)
_LISTS = flags.DEFINE_string(
    "lists",
    None,
    "authors: the folder of train_filenames.txt, train_labels.txt and so for "
    "test; FROM if not given.",
)
_SIDE = flags.DEFINE_integer("side", 7, "sharma: N of the N x N maps.", lower_bound=1)
_DTYPE = flags.DEFINE_enum(
    "dtype", "float16", ["float16", "uint8"], "authors, sharma: how the store is written."
)
_IMPORT = {
    "authors": foreign.authors_features,
    "sharma": lambda folder: foreign.sharma_features(folder, side=_SIDE.value),
}


def main(argv: list[str]) -> None:
    """Does the one thing that the first word says."""
    word, folders = (argv + [""])[1], argv[2:]
    if word in ("inspect", "verify") and folders:
        for folder in folders:
            print("\n".join(inspect(folder)) if word == "inspect" else _verify(folder), flush=True)
    elif word in ("compact", *_IMPORT) and len(folders) == 2:
        print(_compact(*folders) if word == "compact" else _import(word, *folders), flush=True)
    else:
        raise app.UsageError(
            "expected inspect DIR .., verify DIR .., compact FROM TO, authors FROM TO, sharma FROM TO"
        )


def _verify(folder: str) -> str:
    store = FeatureStore.open(folder)
    store.verify()
    frames = sum(store.frames.values())
    return f"{folder}: {len(store.frames)} videos, {frames * store.record_bytes:,} bytes, as the index says"


def _compact(source: str, target: str) -> str:
    found = compact(source, target)
    return (
        f"{target}: {found.bytes_after / found.bytes_before:.3f} of the bytes ({found.bytes_before:,} to {found.bytes_after:,}); errors in "
        f"standard deviations: {found.rms_error:.5f} root mean square, {found.largest_error:.4f} the largest; "
        f"{100 * found.lost:.3f} % of the values above zero became zero"
    )


def _import(layout: str, source: str, target: str) -> str:
    if not _DATASET.value:
        raise app.UsageError("--dataset: expected a dataset.json to read, or to write")
    found = _IMPORT[layout](source)
    if not epath.Path(_DATASET.value).exists():  # in a bucket, too
        save_dataset(_DATASET.value, importers.dataset_from_lists(_LISTS.value or source, found))
    dataset = load_dataset(_DATASET.value)
    about = {
        "imported": layout,
        "from": os.path.basename(os.path.normpath(source)),
        "preprocessing": "unknown",
    }
    store = importers.import_features(found, dataset, target, about, dtype=_DTYPE.value)
    return json.dumps(
        {
            "store": target,
            "videos": len(store.frames),
            "frames": sum(store.frames.values()),
            "shape": store.shape,
            "not listed": len(found) - len(store.frames),
        }
    )


if __name__ == "__main__":
    app.run(boot.guarded(main))
