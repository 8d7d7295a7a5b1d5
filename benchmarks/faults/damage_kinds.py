"""The kinds of files that are damaged, of a small pipeline, and how the stages read each."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import flags

from benchmarks.faults import folders
from benchmarks.faults.process import FUSION, RUN, STAGES, Process, command, run_to_end
from videolstm_jax import files
from videolstm_jax.annotations.workdir_truth import read_true_tubes
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.cli import config_flags
from videolstm_jax.config import RunConfig
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.flow_images.flow_index import check_flow, read_flow_index
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.results import evaluated, work_contents
from videolstm_jax.score_files.fusion_record import load_fusion
from videolstm_jax.stages import train
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.trained.bundle.reader import read_bundle
from videolstm_jax.trained.features import verify_model_features
from videolstm_jax.trained.localize_settings import localize_settings_of_run
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.run_folder import read_run
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

# ---- the work folder -----------------------------------------------------------------------------


class Finished:
    """A work folder after its last stage.

    Attributes:
      cfg: the settings of the stages.
      work: the folder.
      videos: all videos, of the training and the test list.
    """

    def __init__(self, folder: pathlib.Path):
        """Runs the pipeline in `folder`, unless it has been run there."""
        self._folder = folder
        path = folder / "work"
        flag_texts = command("train", path, folder / "videos")[5:]
        self.cfg = settings(flag_texts)
        self.work = Workdir(str(path))
        if not (folder / "bundle").exists():
            self._run_stages(path)
        self.videos = load_dataset(self.work.dataset).videos

    def _run_stages(self, path: pathlib.Path) -> None:
        videos = self._folder / "videos"
        stick_actions.generate_stick_actions(
            videos, classes=("SitDown", "StandUp"), clips_per_class=2, test_clips_per_class=2
        )
        # One test video of each class cannot be read, so that `prepare` lists it in bad.jsonl.
        for clip in sorted(videos.glob("videos/*/*_g02_c01.*")):
            clip.write_bytes(b"no video")
        path.mkdir()
        commands = [command(stage, path, videos) for stage in STAGES]
        commands[0].append("--data.on_bad_video=skip")
        for arguments in commands:
            run_to_end(Process(arguments, path, self._folder / "output.txt"))
        TrainedModel.load(path / "runs" / RUN).save(self._folder / "bundle")

    @property
    def test_videos(self) -> list[Any]:
        """Those that `evaluate` has scored."""
        return [video for video in self.videos if video.part == "test"]

    @property
    def run(self) -> pathlib.Path:
        """The folder of the run."""
        return self._folder / "work" / "runs" / RUN

    @property
    def bundle(self) -> pathlib.Path:
        """The folder of the run's bundle."""
        return self._folder / "bundle"

    def files(self, patterns: Sequence[str]) -> list[pathlib.Path]:
        """The files of some patterns below the folder, in order."""
        paths: list[pathlib.Path] = []
        for pattern in patterns:
            paths += [path for path in sorted(self._folder.glob(pattern)) if path.is_file()]
        return paths


def settings(flag_texts: Sequence[str]) -> RunConfig:
    """The configuration that these flags give."""
    values = flags.FlagValues()
    config_flags.define_all_flags(values)
    values(["program", *flag_texts])
    return config_flags.config_of_flags(values)


# ---- what the stages read ------------------------------------------------------------------------


def _model(done: Finished) -> Any:
    stored, run = read_run(done.work, RUN)
    return stored, run.record


_OF_TRAINING = ("config.json", "metrics.jsonl", "hashes.jsonl", "ckpt", "best")
"""What `train` itself writes in the folder of a run."""


def trained_again(done: Finished) -> Any:
    """What `train` leaves in the folder of the run.

    A damaged checkpoint is moved, and where steps are made again, results are removed.
    """
    train.run(done.cfg)
    left = {}
    for name, content in folders.contents(done.run).items():
        if name in _OF_TRAINING:
            left[name] = content
    return left


def _features(done: Finished) -> Any:
    content = []
    for folder in sorted((pathlib.Path(str(done.work.path)) / "features" / "flow").iterdir()):
        store = FeatureStore.open(folder)
        verify_model_features(_Stores(store), _of_store(store, done.videos), "once")
        content.append([store.std, store.shape, store.about, store.source])
        content.append([store.read(name) for name in store.frames])
    return content


class _Stores(NamedTuple):
    """A store as the features of a model, which are compared before they are read."""

    store: FeatureStore

    def by_input(self) -> dict[str, FeatureStore]:
        return {"x": self.store}


def _of_store(store: FeatureStore, videos: Sequence[Any]) -> list[Any]:
    return [video for video in videos if video.name in store.frames]


def _flow(done: Finished) -> Any:
    check_flow(done.work, done.videos, "once")
    index = read_flow_index(done.work, done.cfg.data)
    path = done.work.flow / "settings.json"
    flow_settings = FlowSettings.of(files.read_json(path, made_by="prepare"), path)
    images = [read_flow(done.work.flow / f"{video.name}.zip") for video in done.videos]
    return index, flow_settings, images


def _evaluated(done: Finished) -> Any:
    classes = len(load_dataset(done.work.dataset).classes)
    return [evaluated.load_evaluated_video(done.work, RUN, v, classes) for v in done.test_videos]


def _true_tubes(done: Finished) -> Any:
    # Both readers of the file, of the page and of the stage `localize`.
    dataset = load_dataset(done.work.dataset)
    return work_contents.load_truth_of_results(done.work), read_true_tubes(done.work, dataset)


def _skipped(done: Finished) -> Any:
    classes = load_dataset(done.work.dataset).classes
    return load_labels_of_bad_videos(done.work, classes)


def _measures(done: Finished) -> Any:
    maps = work_contents.read_results_of_workdir(done.work).maps
    return maps, localize_settings_of_run(done.work, RUN)


class Kind(NamedTuple):
    """A kind of files.

    Attributes:
      patterns: of the files, below the folder of the benchmark.
      read: what the stages read of them.
      share: of the trials, relative to those of the other kinds.
    """

    patterns: tuple[str, ...]
    read: Callable[[Finished], Any]
    share: int = 4


KINDS = {
    "checkpoints of a run": Kind((f"work/runs/{RUN}/ckpt/48/**/*",), _model, 10),
    "checkpoints of a run, gone on from": Kind((f"work/runs/{RUN}/ckpt/**/*",), trained_again, 2),
    "checkpoints of a backbone": Kind(
        ("work/convnets/flow/ckpt/40/**/*",), lambda done: load_convnet(done.work.convnet("flow"))
    ),
    "logs of a run, gone on from": Kind((f"work/runs/{RUN}/metrics.jsonl",), trained_again, 1),
    "settings of a run": Kind((f"work/runs/{RUN}/config.json",), _model),
    "settings of a backbone": Kind(
        ("work/convnets/flow/config.json",), lambda done: load_convnet(done.work.convnet("flow")), 2
    ),
    "metrics": Kind(
        (f"work/runs/{RUN}/metrics.jsonl", "work/convnets/flow/metrics.jsonl"),
        lambda done: work_contents.load_metrics_of_results(done.work),
    ),
    "features": Kind(("work/features/**/*.f16",), _features, 8),
    "indexes of features": Kind(("work/features/**/index.json",), _features),
    "flow": Kind(("work/flow/**/*.zip",), _flow, 8),
    "index and settings of flow": Kind(("work/flow/*.json",), _flow),
    "list of videos": Kind(("work/dataset.json",), lambda done: load_dataset(done.work.dataset)),
    "scores": Kind(
        (f"work/runs/{RUN}/scores.npz",),
        lambda done: load_scores(done.work.scores(RUN)),
    ),
    "scores and attention of frames": Kind((f"work/runs/{RUN}/videos/**/*.npz",), _evaluated),
    "bundles": Kind(("bundle/**/*.*",), lambda done: read_bundle(done.bundle), 8),
    "true tubes": Kind(("work/truth.jsonl",), _true_tubes),
    "skipped videos": Kind(("work/bad.jsonl",), _skipped),
    "tubes": Kind(
        (f"work/runs/{RUN}/tubes.jsonl",),
        lambda done: work_contents.load_localized_tubes(done.work, RUN),
    ),
    "measures of tubes": Kind((f"work/runs/{RUN}/map.json",), _measures),
    "records of fusions": Kind(
        (f"work/fused/{FUSION}.json",),
        lambda done: load_fusion(done.work.fusion_record(FUSION)),
    ),
}
"""By name; the files of a work folder whose damage would change a result."""
