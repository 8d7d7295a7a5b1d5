"""Where everything lies in a work folder, and the version of this layout."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, read_json
from videolstm_jax.types import View

LAYOUT = 2
"""Version of the names and records in a work folder; it grows when older ones would be misread."""


@dataclasses.dataclass(frozen=True)
class Workdir:
    """The folder that the stages of a pipeline read and write; every path in it is made here.

    | file | content | written by |
    |---|---|---|
    | `dataset.json` | the listed videos with class, part and size | prepare |
    | `truth.jsonl` | true tubes, where the data set has boxes | prepare |
    | `bad.jsonl` | skipped videos with the reason, where there are any | prepare |
    | `flow/` | `settings.json`, `index.json`, flow images `<Class>/<stem>.zip` | prepare |
    | `convnets/<stream>/` | `config.json`, `metrics.jsonl`, `hashes.jsonl`, `ckpt/` | fit_convnet |
    | | `scores.npz`, `accuracy.json` of the ConvNet alone | extract |
    | `features/<stream>/<layer>/` | `index.json`, features of each video | extract |
    | `features/<stream>/below_<block>/` | input of a block that is trained with a cell | extract |
    | `features/<stream>/<layer>-mirrored/` | the same of mirrored training videos | extract |
    | `runs/<name>/` | `config.json`, `metrics.jsonl`, `hashes.jsonl`, `ckpt/`, `best/` | train |
    | | `ckpt-damaged/`, checkpoints that could not be read, where there were any | train |
    | | `scores.npz`, `videos/` and `states/` with `<Class>/<stem>.npz` | evaluate |
    | | `scores_valid.npz` of the validation list | evaluate with `eval.part` |
    | | `tubes.jsonl`, `map.json`, or with `localize.name` `tubes-<name>.jsonl`.. | localize |
    | `runs/nearest-motion/` | `scores.npz` of the baseline on motion energy | nearest |
    | `runs/nearest-size/` | `scores.npz` of the baseline on size and length | nearest |
    | `trajectories/` | `settings.json`, trajectories `<Class>/<stem>.bin.gz` | idt |
    | `runs/idt/` | `scores.npz`, `scores_valid.npz`, `vocabulary.npz`, `idt.json` | idt |
    | | Fisher vectors, `fisher/<Class>/<stem>.npz` | idt |
    | `runs/objects/` | `scores.npz`, `scores_valid.npz`, `objects.json` | objects |
    | | mean probabilities, `means/<Class>/<stem>.npz` | objects |
    | `fused/<name>.npz`, `.json` | scores of several runs, multiplied; weights | fuse |
    | `report/` | `index.html`, `videos/` | report |
    | `overlays/<run>/`, `predicted/` | films | overlay, predict |
    | `pooled/` | a work folder with the test videos of all parts of a sweep | sweep |

    A folder that is being written has a file whose name ends in `.lock`, see `lock`. `dataset.json`
    and `config.json` carry the version of this layout, see `LAYOUT`.
    """

    root: str

    @property
    def path(self) -> epath.Path:
        """The folder itself."""
        return epath.Path(self.root)

    @property
    def dataset(self) -> epath.Path:
        """The listed videos."""
        return self.path / "dataset.json"

    @property
    def truth(self) -> epath.Path:
        """True tubes of the videos that have boxes; absent where none has."""
        return self.path / "truth.jsonl"

    @property
    def train_boxes(self) -> epath.Path:
        """Only in a pool: the mean training box of each test video, in shares of the frame.

        Each pipeline of a sweep has its own training list, so its test videos have their own mean.
        """
        return self.path / "train_boxes.json"

    @property
    def bad(self) -> epath.Path:
        """Videos that were skipped, with the reason."""
        return self.path / "bad.jsonl"

    @property
    def flow(self) -> epath.Path:
        """Flow images."""
        return self.path / "flow"

    @property
    def trajectories(self) -> epath.Path:
        """Improved dense trajectories."""
        return self.path / "trajectories"

    def convnet(self, stream: str) -> epath.Path:
        """The backbone of `rgb` or `flow`."""
        return self.path / "convnets" / stream

    def features(self, stream: str, layer: str, view: View = "filmed") -> epath.Path:
        """The feature store of one tap, pool5, fc7 or logits, and of one view of the videos."""
        return workdir_store_of_view(self.path / "features" / stream / layer, view)

    def run(self, name: str) -> epath.Path:
        """The folder of one training and of its results."""
        return self.path / "runs" / name

    def scores(self, name: str) -> epath.Path:
        """The file of video scores that a name stands for.

        Args:
          name: of a run or a fusion; "convnet-rgb" or "convnet-flow"; or the path of a file, .npz.
        """
        # By its ending, since scores of other systems lie outside of the work folder.
        if name.endswith(".npz"):
            return epath.Path(name)
        if name.startswith("convnet-"):
            return self.convnet(name.removeprefix("convnet-")) / "scores.npz"
        # A fusion goes first; a pipeline refuses a fusion with the name of one of its runs.
        fused = self.fused(name)
        if fused.exists():
            return fused
        return self.run(name) / "scores.npz"

    def fused(self, name: str) -> epath.Path:
        """Fused video scores."""
        return self.path / "fused" / f"{name}.npz"

    def fusion_record(self, name: str) -> epath.Path:
        """The method and the weights of fused scores, and how these were searched."""
        return self.path / "fused" / f"{name}.json"

    def validation_scores(self, name: str) -> epath.Path:
        """Video scores of a run on the validation list."""
        return self.run(name) / "scores_valid.npz"

    def evaluated_video(self, name: str, video: str) -> epath.Path:
        """Frame scores and attention of a run's pass over one whole video."""
        return self.run(name) / "videos" / f"{video}.npz"

    def tubes(self, name: str, variant: str = "") -> epath.Path:
        """The tubes of a run, made with the settings that `localize.name` names."""
        return self.run(name) / f"tubes{_suffix(variant)}.jsonl"

    def tube_measures(self, name: str, variant: str = "") -> epath.Path:
        """What was measured of the tubes of a run, see `tubes`."""
        return self.run(name) / f"map{_suffix(variant)}.json"

    def states(self, name: str, video: str) -> epath.Path:
        """Maps of the cell's state over one whole video; stored for those that the report shows."""
        return self.run(name) / "states" / f"{video}.npz"

    @property
    def report(self) -> epath.Path:
        """The page of pictures."""
        return self.path / "report"


def workdir_store_of_view(folder: PathLike, view: View) -> epath.Path:
    """The feature store of a view of the videos, which lies beside that of the view as filmed.

    Args:
      folder: of the store as filmed.
      view: `filmed` or `mirrored`.
    """
    path = epath.Path(folder)
    # Not below `path`: its folders are classes, and a class may have any name.
    if view == "mirrored":
        return path.parent / f"{path.name}-mirrored"
    return path


def _suffix(variant: str) -> str:
    if not variant:
        return ""
    return f"-{variant}"


def workdir_of_run(folder: PathLike) -> tuple[Workdir, str]:
    """The work folder and the name of the run that lies in `<work>/runs/<name>`.

    Raises:
      FileError: a work folder itself, or no folder.
    """
    # A bucket's address must not be taken for a path relative to the current folder.
    address = str(folder)
    if "://" not in address:
        address = os.path.abspath(address)
    path = epath.Path(address)
    # The usual mistake is to name the work folder itself.
    if (path / "runs").exists():
        runs = ", ".join(sorted(run.name for run in (path / "runs").iterdir()))
        raise FileError(f"{folder} is a work folder; expected one of its runs: {runs}")
    if not path.exists():
        raise FileError(
            f"{folder} is missing; expected the folder of a run, such as "
            "work/demo/runs/videolstm-rgb"
        )
    return Workdir(str(path.parent.parent)), path.name


def check_layout(work: Workdir) -> None:
    """Refuses a work folder of an earlier version, before a stage writes a file of this one to it.

    A folder of both would look like one of this version, and training would go on from checkpoints
    whose layout nobody checked.

    Raises:
      FileError: dataset.json, or the config.json of a backbone or run, has another layout.
    """
    paths = [work.dataset]
    # Any of them may be the first that a stage reads.
    for pattern in ("convnets/*/config.json", "runs/*/config.json"):
        paths += sorted(work.path.glob(pattern))
    for path in paths:
        if path.exists():
            require_layout(path, read_json(path))


def require_layout(path: PathLike, record: Any) -> dict[str, Any]:
    """The record of a JSON file, which must say that it has the layout of this version.

    Raises:
      FileError: it names another layout, or none.
    """
    if not isinstance(record, dict) or record.get("layout") != LAYOUT:
        raise FileError(
            f"{path}: this work folder was written by an earlier version; remove it or give "
            "another --workdir"
        )
    return record
