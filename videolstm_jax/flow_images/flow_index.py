"""The flow that `prepare` stored in a work folder: its settings, its index, and its digests.

flow/index.json has the settings of the flow, the size of each video file and the digest of each
flow file; each flow file has a note of its own video.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from etils import epath

from videolstm_jax.cluster.watchdog import watchdog
from videolstm_jax.config import DataConfig, RunConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import PathLike, call_in_threads, read_json_object, write_json
from videolstm_jax.flow import image
from videolstm_jax.flow_images import flow_file
from videolstm_jax.folders import leads_out_by_link
from videolstm_jax.json_records import value_text
from videolstm_jax.presets import convnet_of
from videolstm_jax.sealed_json import SEAL
from videolstm_jax.types import Video
from videolstm_jax.workdir.layout import Workdir


class FlowRange(NamedTuple):
    """The range of a video's flow.

    `largest` is the greatest displacement in pixels, `saturated` the share of pixels at or beyond
    the bound.
    """

    largest: float
    saturated: float


def flow_settings(cfg: RunConfig, bound: float) -> dict[str, Any]:
    """The settings that flow images depend on.

    `scaled` bounds are pixels at a longer side of 340, as the paper's is.
    """
    flow = cfg.flow
    shorter_side = flow.shorter_side(convnet_of(cfg, "flow").image_size)
    # Left out where they are 0 and squash, as in folders from before there were these settings.
    limit = {}
    if shorter_side:
        limit["shorter_side"] = shorter_side
    if cfg.data.fit != "squash":
        limit["fit"] = cfg.data.fit
    return limit | {
        "method": flow.method,
        "width": flow.width,
        "height": flow.height,
        "bound": bound or image.PAPER_BOUND,
        "scaled": bool(flow.percentile) or not bound,
        "image": flow.image,
        "fps": cfg.data.fps,
        "max_frames": cfg.data.max_frames,
    }


def claim_flow_folder(path: epath.Path, settings: dict[str, Any]) -> None:
    """Writes the settings, or checks that they are those the folder was begun with.

    They are written before the first flow file, so flow of other settings is never mixed in, even
    after an interruption.

    Raises:
      ConfigError: the folder holds flow of other settings.
    """
    if not path.exists():
        write_json(path, settings, sealed=True)
        return
    # A folder of before this setting has flow that was squashed.
    stored_settings = {"fit": "squash"} | read_json_object(path)
    settings = {"fit": "squash"} | settings
    stored_settings.pop(SEAL, None)
    changes = []
    # Of both: a setting that only one of them has is a change too.
    for name in {**settings, **stored_settings}:
        if stored_settings.get(name) != settings.get(name):
            changes.append(f"{name} {stored_settings.get(name)!r}, now {settings.get(name)!r}")
    if changes:
        raise ConfigError(
            f"{path.parent} holds flow made with {'; '.join(changes)}. Expected the same settings: "
            "take another workdir, or remove that folder"
        )


def read_flow_index(work: Workdir, cfg: DataConfig) -> dict[str, Any]:
    """Reads flow/index.json: the settings of the flow, `frames` (pairs) and `source` of each video.

    Raises:
      FileError: `prepare` has not finished, or its index is older than fingerprints are.
      ConfigError: `prepare` read other frames of the videos than these settings would.
    """
    path = work.flow / "index.json"
    index = read_json_object(path, made_by="prepare")
    # These two decide which frames a number means: flow of others would belong to other frames.
    for name in ("fps", "max_frames"):
        if index.get(name) != getattr(cfg, name):
            raise ConfigError(
                f"data.{name} is {getattr(cfg, name)}; {path} was made with "
                f"{index.get(name)}; expected the same"
            )
    # The shape of flow images follows the shape of the square's content. Absent where it is squash.
    fit = index.get("fit", "squash")
    if fit != cfg.fit:
        raise ConfigError(
            f"data.fit is {cfg.fit!r}; {path} was made with {fit!r}; expected the same"
        )
    # Indices of an early version lack the field.
    if "source" not in index:
        raise FileError(
            f"{path}: does not say which files were read, so that replaced ones would go unseen; "
            "run the stage prepare again, which keeps the flow that is there"
        )
    _check_tables(path, index)
    return index


def _check_tables(path: epath.Path, index: Mapping[str, Any]) -> None:
    """Raises FileError where what an index says of each video is no table."""
    for name in ("source", "frames", "sha256"):
        if not isinstance(index.get(name, {}), dict):
            raise FileError(f"{path}: {name} is {value_text(index[name])}; expected an object")


# ---- the content of flow files -------------------------------------------------------------------


def flow_digests(work: Workdir, names: Iterable[str]) -> dict[str, str]:
    """The digest of each video's flow file by the video's name, see `flow_content_sha256`.

    Raises:
      FileError: a file is missing or damaged.
    """
    names = list(names)

    def digest_of(path: epath.Path) -> str:
        digest = flow_file.flow_content_sha256(path)
        watchdog().progress()
        return digest

    digests = call_in_threads(digest_of, [_flow_path(work, name) for name in names])
    return dict(zip(names, digests, strict=True))


def check_flow(work: Workdir, videos: Sequence[Video], mode: str) -> None:
    """Compares the flow files of these videos with the index, before results depend on them.

    Damage of a picture is noticed when it is read. This notices a file of another video, or of
    another call of `prepare`, and reads no picture.

    Args:
      work: the work folder.
      videos: whose flow will be read.
      mode: `data.verify`; `never` compares nothing.

    Raises:
      FileError: a file is missing, damaged or of another content.
    """
    path = work.flow / "index.json"
    # A pool has flow without an index; its stages find the flow as `pool` copied it.
    if mode == "never" or not path.exists():
        return
    # Indexes of earlier versions have no digests, nor has an index without stored flow.
    index = read_json_object(path)
    _check_tables(path, index)
    expected = index.get("sha256", {})
    names = []
    for video in videos:
        # A missing file is refused by the stage that needs it; some can do without.
        if video.name in expected and _flow_path(work, video.name).exists():
            names.append(video.name)
    for name, digest in flow_digests(work, names).items():
        if digest != expected[name]:
            raise FileError(
                f"{_flow_path(work, name)}: is not the flow that the stage prepare wrote for "
                f"{name}; remove it and run the stage prepare again"
            )


def _flow_path(work: Workdir, name: str) -> epath.Path:
    """The flow file of a video, which may be named by the index of a stranger."""
    path = work.flow / f"{name}.zip"
    if leads_out_by_link(work.flow, path):
        raise FileError(
            f"{path}: a symbolic link leads out of {work.flow}; expected the file itself"
        )
    return path


# ---- notes of flow files -------------------------------------------------------------------------


def flow_note(fingerprint: str, flow_range: FlowRange) -> str:
    """The note in a flow file: the video it was made from, and the range of its flow."""
    largest, saturated = flow_range
    return f"{fingerprint}; largest {largest:.3f}, saturated {saturated:.4f}"


def finished_flow(path: PathLike, fingerprint: str) -> tuple[int, FlowRange | None]:
    """The pairs of frames and the range of a flow file of this very video.

    The pairs are 0 where the file is missing, damaged or made from another video. The range is None
    there, and in older files, which did not keep it.
    """
    try:
        pairs, note = flow_file.describe_flow(path)
    except FileError:
        return 0, None
    # Older files end behind the fingerprint.
    if note == fingerprint:
        return pairs, None
    match = re.fullmatch(r"(.*); largest (\S+), saturated (\S+)", note)
    if not match or match[1] != fingerprint:
        return 0, None
    return pairs, FlowRange(float(match[2]), float(match[3]))
