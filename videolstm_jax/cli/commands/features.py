"""`videolstm features`: inspects, verifies, compacts or imports stores of features."""

from __future__ import annotations

import json
import os
from typing import get_args

from absl import flags
from etils import epath

from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.errors import ConfigError
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.compact import compact_store
from videolstm_jax.features.inspection import inspect_store
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Dataset, View
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import workdir_store_of_view


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
    flags.DEFINE_string(
        "mirrored",
        None,
        "authors, sharma, arrays: a folder in the layout of FROM with the features of the mirrored "
        "training videos; `data.mirrored` reads them.",
        flag_values=flag_values,
    )
    # Sharma's files do not say the shape of their maps; 7 is GoogLeNet's, which his model reads.
    flags.DEFINE_integer(
        "side", 7, "sharma: N of the N x N maps.", lower_bound=1, flag_values=flag_values
    )
    # As `data.feature_dtype`, whose setting this command does not read: it has no configuration.
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
    if action == "inspect" and folders:
        for folder in folders:
            print(_inspected(folder), flush=True)
    elif action == "verify" and folders:
        # Each line as soon as it is known: a store of many gigabytes is read to its end.
        for folder in folders:
            print(_verified(folder), flush=True)
    elif action == "compact" and len(folders) == 2:
        source, target = folders
        # Both views: a training with `data.mirrored` expects them in the same form.
        for view in get_args(View):
            if view == "filmed" or workdir_store_of_view(source, view).exists():
                print(
                    _compacted(
                        workdir_store_of_view(source, view), workdir_store_of_view(target, view)
                    )
                )
    elif action in ("authors", "sharma", "arrays") and len(folders) == 2:
        print(_imported(action, *folders), flush=True)
    else:
        raise ConfigError(f"expected {COMMANDS['features'].positional}")


def _inspected(folder: str) -> str:
    return "\n".join(inspect_store(folder))


def _verified(folder: str) -> str:
    store = FeatureStore.open(folder)
    store.verify()
    # A record is one frame, and all have one size.
    size = sum(store.frames.values()) * store.record_bytes
    return f"{folder}: {len(store.frames)} videos, {size:,} bytes, equal to the index"


def _compacted(source: epath.Path, target: epath.Path) -> str:
    cost = compact_store(source, target)
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
    videos = _foreign_features(layout, source)
    # Written once: the next store, such as that of flow, then has the same lists and classes.
    # An epath also finds a file in a bucket.
    if not epath.Path(path).exists():
        lists = flag_values["lists"].value or source
        save_dataset(path, importers.dataset_of_foreign_features(lists, videos))
    dataset = load_dataset(path)
    dtype = flag_values["dtype"].value
    about = _about(layout, source)
    store = importers.import_features(videos, dataset, target, about, dtype=dtype)
    summary = {
        "store": target,
        "videos": len(store.frames),
        "frames": sum(store.frames.values()),
        "shape": store.shape,
        "not listed": len(videos) - len(store.frames),
    }
    mirrored_folder = flag_values["mirrored"].value
    if mirrored_folder:
        summary["mirrored"] = _import_mirrored(layout, mirrored_folder, dataset, target)
    return json.dumps(summary)


def _import_mirrored(layout: str, source: str, dataset: Dataset, target: str) -> str:
    """Writes the store of the mirrored training list, beside the one as filmed; its folder."""
    # Test videos are only read as filmed, so no mirrored features of them are needed.
    train_list = dataset._replace(videos=dataset.part("train"))
    store = importers.import_features(
        _foreign_features(layout, source),
        train_list,
        workdir_store_of_view(target, "mirrored"),
        _about(layout, source) | {"view": "mirrored"},
        dtype=flags.FLAGS["dtype"].value,
    )
    return str(store.folder)


def _foreign_features(layout: str, folder: str) -> dict[str, foreign.ForeignFeatures]:
    """Opens a folder of features in one of the three layouts."""
    if layout == "authors":
        return foreign.authors_features(folder)
    if layout == "arrays":
        return foreign.array_features(folder)
    return foreign.sharma_features(folder, side=flags.FLAGS["side"].value)


def _about(layout: str, source: str) -> dict[str, str]:
    """What the index of an imported store keeps of its origin."""
    return {
        "imported": layout,
        # Without the path, which would tell where the files lay on this machine; `normpath` drops a
        # slash at the end, after which `basename` would be empty.
        "from": os.path.basename(os.path.normpath(source)),
        "preprocessing": "unknown",
    }
