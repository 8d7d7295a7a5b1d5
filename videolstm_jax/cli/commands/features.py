"""`videolstm features`: inspects, verifies, compacts or imports stores of features."""

from __future__ import annotations

import json
import os

from absl import flags
from etils import epath

from videolstm_jax.artifacts import load_dataset, save_dataset
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.errors import ConfigError
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.compact import compact
from videolstm_jax.features.inspection import inspect
from videolstm_jax.features.store import FeatureStore


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of the imports."""
    flags.DEFINE_string(
        "dataset",
        None,
        "The dataset.json of the videos to import; written from the lists beside "
        "the features where it is missing.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "lists",
        None,
        "authors: the folder of train_filenames.txt, train_labels.txt and so for test; FROM if not "
        "given.",
        flag_values=flag_values,
    )
    # Sharma's files do not say the shape of their maps; 7 is GoogLeNet's, which his model reads.
    flags.DEFINE_integer(
        "side", 7, "sharma: N of the N x N maps.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_enum(
        "dtype",
        "float16",
        ["float16", "uint8"],
        "How an imported store is written.",
        flag_values=flag_values,
    )


def main(arguments: list[str]) -> None:
    """Does the action that the first argument names, with the folders that follow it."""
    action, *folders = arguments or [""]
    if action in ("inspect", "verify") and folders:
        report = _inspected if action == "inspect" else _verified
        for folder in folders:
            print(report(folder), flush=True)
    elif action == "compact" and len(folders) == 2:
        print(_compacted(*folders), flush=True)
    elif action in ("authors", "sharma", "arrays") and len(folders) == 2:
        print(_imported(action, *folders), flush=True)
    else:
        raise ConfigError(f"expected {COMMANDS['features'].positional}")


def _inspected(folder: str) -> str:
    return "\n".join(inspect(folder))


def _verified(folder: str) -> str:
    store = FeatureStore.open(folder)
    store.verify()
    # A record is one frame, and all have one size.
    size = sum(store.frames.values()) * store.record_bytes
    return f"{folder}: {len(store.frames)} videos, {size:,} bytes, equal to the index"


def _compacted(source: str, target: str) -> str:
    cost = compact(source, target)
    share = cost.bytes_after / cost.bytes_before
    return (
        f"{target}: {share:.3f} of the bytes ({cost.bytes_before:,} to {cost.bytes_after:,}); "
        f"errors in standard deviations: {cost.rms_error:.5f} root mean square, "
        f"{cost.largest_error:.4f} the largest; {100 * cost.lost:.3f} % of the values above zero "
        "became zero"
    )


def _imported(layout: str, source: str, target: str) -> str:
    flag_values = flags.FLAGS
    path = flag_values["dataset"].value
    if not path:
        raise ConfigError("--dataset: expected a dataset.json to read, or to write")
    if layout == "authors":
        videos = foreign.authors_features(source)
    elif layout == "arrays":
        videos = foreign.array_features(source)
    else:
        videos = foreign.sharma_features(source, side=flag_values["side"].value)
    # An epath also finds a file in a bucket.
    if not epath.Path(path).exists():
        lists = flag_values["lists"].value or source
        save_dataset(path, importers.dataset_from_lists(lists, videos))
    about = {
        "imported": layout,
        # Without the path, which would tell where the files lay on this machine; `normpath` drops a
        # slash at the end, after which `basename` would be empty.
        "from": os.path.basename(os.path.normpath(source)),
        "preprocessing": "unknown",
    }
    dataset, dtype = load_dataset(path), flag_values["dtype"].value
    store = importers.import_features(videos, dataset, target, about, dtype=dtype)
    summary = {
        "store": target,
        "videos": len(store.frames),
        "frames": sum(store.frames.values()),
        "shape": store.shape,
        "not listed": len(videos) - len(store.frames),
    }
    return json.dumps(summary)
