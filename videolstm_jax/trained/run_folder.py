"""A finished training in a work folder, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from videolstm_jax.backbone.block import trained_block_of_record, trained_block_params_like
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.config import LocalizeConfig, ModelConfig
from videolstm_jax.dataset.training_list import videos_trained_on
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import read_json_object, reading
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.checkpoints.last_checkpoint import checkpoint_folder
from videolstm_jax.trained.foreground import foreground_of_record
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.localize_settings import localize_settings_of_run
from videolstm_jax.trained.place import StoredModel
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.workdir.dataset_json import load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.backbone.convnet import TrainedBackbone
    from videolstm_jax.types import Scores


PATHS = ("workdir", "data.videos", "data.boxes", "data.lists", "convnet.weights")
"""Settings that are paths."""


class RunFolder(RunRecord):
    """A run as a place that a model was read from; see `place.Place`."""

    def backbone(self, stream: str) -> tuple[epath.Path, TrainedBackbone]:
        """The backbone of a stream and where it lies.

        Raises:
          FileError: the run reads imported features of the stream, which come without their
            network; or the backbone is missing or damaged.
        """
        if self.reads_imported(stream):
            raise FileError(
                f"{self.folder} reads imported features of {stream}; a stream and a bundle need "
                "the network that made them: train on features of --backbone=my_module:FUNCTION "
                "(docs/features.md)"
            )
        folder = self.work.convnet(stream)
        return folder, load_convnet(folder)

    def feature_dtype(self, stream: str, layer: str) -> str:
        """The dtype of the store; where there is none, the one that it was to be written in."""
        folder = self.work.features(stream, layer)
        if (folder / "index.json").exists():
            return FeatureStore.open(folder).dtype
        # A run of an earlier version has no such setting; its features were all float16.
        return self.config["data"].get("feature_dtype", "float16")

    def flow_settings(self) -> FlowSettings:
        """The settings that `prepare` made flow with."""
        path = self.work.flow / "settings.json"
        return FlowSettings.of(read_json_object(path, made_by="prepare"), path)

    def localize_settings(self) -> LocalizeConfig:
        """The settings that `localize` last ran with, else those of the training."""
        return localize_settings_of_run(self.work, self.name)

    def provenance(self) -> dict[str, Any]:
        """The run, its settings, and the sha256 of the training list where that is known."""
        folder = self.folder / checkpoint_folder(self.config["train"]["keep"])
        with Checkpoints(folder, create=False) as checkpoints:
            identity = checkpoints.meta()["identity"]
        return {
            "run": self.name,
            "preset": self.config.get("preset", ""),
            "seed": self.config.get("seed"),
            "data_source": self.config["data"].get("source", ""),
            "overrides": _without_paths(self.record.get("overrides", {})),
            "training_list_sha256": identity.get("videos"),
        }

    def results(self) -> dict[str, Any]:
        """The accuracy on the test list and the frame IoU of the tubes, as far as measured."""
        results: dict[str, Any] = {}
        scores = self.folder / "scores.npz"
        if scores.exists():
            results["accuracy"] = _accuracy(self.work, load_scores(scores))
        measures = self.folder / "map.json"
        if measures.exists():
            # null where no test video has true boxes.
            model = read_json_object(measures).get("model")
            if model:
                results["frame_iou"] = model["mean_frame_iou"]
        return results


def _accuracy(work: Workdir, scores: Scores) -> dict[str, int]:
    """The counts of a score file, as a bundle records them."""
    # Videos that could not be read count as wrong, as in every published accuracy.
    missing = load_labels_of_bad_videos(work, scores.classes)
    correct = int(top_k(scores.scores, scores.label))
    counts = {"right": correct, "videos": len(scores.label) + len(missing)}
    if scores.trained is not None:
        counts["trained_on"] = int(scores.trained.sum())
    return counts


def read_run(work: Workdir, name: str) -> tuple[StoredModel, RunFolder]:
    """Reads a run: the last checkpoint, or the best one where the run kept it.

    Args:
      work: the work folder.
      name: of the run, or the path of its folder.

    Raises:
      FileError: the run is missing, unfinished or damaged, or its checkpoint is of another cell or
        other classes.
    """
    run = RunFolder.read(work, name)
    # Not `run.folder`: a path may be that of a run outside the work folder.
    folder, record = work.run(name), run.record
    path = folder / "config.json"
    damage = (KeyError, TypeError, AttributeError)
    with reading(path, "not of a trained run", *damage):
        config = ModelConfig(**record["model"])
        scales = Scales(**record["scales"])
        classes = tuple(record["classes"])
        run_config = record["config"]
        stream = run_config["data"]["stream"]
        extractors = {}
        for input_name, row in record["inputs"].items():
            extractors[input_name] = row["extractor"]
        block = trained_block_of_record(record.get("block"))
        parameters = folder / checkpoint_folder(run_config["train"]["keep"])
    # Only shapes: nothing is drawn, and the checkpoint is compared with what the cell makes today.
    # An unknown cell is a mistake of this file, not of the settings of the stage.
    with reading(path):
        like = trained_block_params_like(config, block)
    # Compared by the checkpoint: an array of the right shape may still be of other classes.
    identity = {"cell": config.cell, "classes": list(classes)}
    with Checkpoints(parameters, create=False) as checkpoints:
        # The step that the record names: with its folder gone, the one before would be read.
        step = record.get("checkpoint_step")
        params, _ = checkpoints.restore_params(like, identity=identity, step=step)
    videos = videos_trained_on(record, path)
    foreground = foreground_of_record(record, config.depth, path)
    stored = StoredModel(
        config, params, scales, classes, stream, extractors, videos, block, foreground
    )
    return stored, run


def _without_paths(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the user gave, without those that name places on the user's machine."""
    portable = {}
    for name, value in overrides.items():
        texts = [value]
        if isinstance(value, list):
            texts = value
        # Other settings, such as runs to graft from, may be given as paths too.
        has_path = False
        for text in map(str, texts):
            if "/" in text or "\\" in text:
                has_path = True
        if name not in PATHS and not has_path:
            portable[name] = value
    return portable
