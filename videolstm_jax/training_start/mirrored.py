"""The stores of the mirrored training list, which training reads beside those as filmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from videolstm_jax.clips.batches import MirroredStores
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import verify_store
from videolstm_jax.trained.features import extract_command_of_model, model_store_record
from videolstm_jax.types import names_of
from videolstm_jax.workdir.layout import workdir_store_of_view

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.trained.features import ModelFeatures
    from videolstm_jax.types import Video

# What the two views of the same features say differently of their origin: the view itself, and the
# folder that they were imported from.
_OF_ONE_VIEW = ("view", "from")


def open_mirrored(
    cfg: RunConfig, features: ModelFeatures, train_list: Sequence[Video]
) -> MirroredStores | None:
    """Opens the mirrored features of a training; None without `data.mirrored`.

    Args:
      cfg: of the training.
      features: as filmed.
      train_list: the videos that are trained on.

    Raises:
      FileError: there are none, or not of all these videos; or they were made with another backbone
        or of other files than those as filmed; or they are damaged.
    """
    if not cfg.data.mirrored:
        return None
    names = names_of(train_list)
    # Motion is read from flow, whatever the stream of the cell's own input.
    streams = {"x": cfg.data.stream, "motion": "flow"}
    stores = {}
    for name, filmed in features.by_input().items():
        folder = workdir_store_of_view(filmed.folder, "mirrored")
        command = _command(cfg, streams[name], filmed)
        if not (folder / "index.json").exists():
            raise FileError(
                f"{folder} is missing, the mirrored features that data.mirrored asks for; "
                f"{command} makes them, --data.mirrored=false trains without"
            )
        store = FeatureStore.open(folder)
        problem = _problem(filmed, store, names)
        if problem:
            raise FileError(f"{folder} {problem}; remove the folder; {command} makes it again")
        # As for the features as filmed: damage is found before the first step.
        verify_store(store, names, cfg.data.verify)
        stores[name] = store
    return MirroredStores(**stores)


def _command(cfg: RunConfig, stream: str, filmed: FeatureStore) -> str:
    """The command that makes the mirrored features of a store."""
    if isinstance(filmed.about, Mapping) and "imported" in filmed.about:
        layout = filmed.about["imported"]
        return f"`videolstm features {layout} FROM {filmed.folder} --mirrored=DIR`"
    return extract_command_of_model(cfg, stream)


def _problem(filmed: FeatureStore, mirrored: FeatureStore, names: Sequence[str]) -> str:
    """Why the stores are not two views of the same features; empty where they are."""
    if mirrored.shape != filmed.shape:
        return f"has features of {mirrored.shape}; {filmed.folder} has {filmed.shape}"
    if _origin(mirrored) != _origin(filmed):
        return f"is of another backbone or preprocessing than {filmed.folder}"
    for name in names:
        if name not in mirrored.frames:
            return f"has no features of {name}, which is in the training list"
        # The fingerprint of the video's file: it may have changed between two extractions.
        if mirrored.source.get(name) != filmed.source.get(name):
            return f"has {name} of another file than {filmed.folder}"
    return ""


def _origin(store: FeatureStore) -> Any:
    """What made the features of a store, without what belongs to one view."""
    if not isinstance(store.about, Mapping):
        return store.about
    return {key: value for key, value in store.about.items() if key not in _OF_ONE_VIEW}


def described_mirrored_training(mirrored: MirroredStores | None) -> dict[str, dict[str, Any]]:
    """Names the mirrored stores and what is in them, for config.json and for checkpoints."""
    if mirrored is None:
        return {}
    rows = {}
    for name, store in mirrored._asdict().items():
        if store is not None:
            rows[name] = model_store_record(store)
    return rows
