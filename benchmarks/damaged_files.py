"""Is every damaged file of a work folder refused by name, or without effect?

    python -m benchmarks.damaged_files --trials=1000

Runs a small pipeline. Each trial flips bits of one file, cuts it short or removes it, and reads the
folder as the stages do. A trial fails where other content is read without a word, where the error
is not one line that names the file or its folder, or where it is no error that a user can mend.

A kind of files is read by the function that the stages share. Of "checkpoints of a run, gone on
from", the whole stage `train` runs, and must leave what it left before, to the byte.

Each trial is one line of JSON in <out>/<name>.jsonl, and is repeated by its `seed`. The command
goes on after the trials in that file. Results: benchmarks/results/damaged_files.jsonl.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

from benchmarks import command_line, kill, record
from videolstm_jax import artifacts, files
from videolstm_jax.cli import config_flags, ending
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.prepared import check_flow, read_flow_index
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.stages import train
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.trained.backbone.convnet import load_convnet
from videolstm_jax.trained.bundle.reader import read_bundle
from videolstm_jax.trained.features import verify_features
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.results import evaluated, work_contents
from videolstm_jax.trained.run_folder import read_run

RUN = "alstm-flow"
"""The run whose files are damaged."""
DAMAGES = ("one bit", "two bits", "20 bits", "cut short", "missing")
"""What happens to a file."""
_BITS = {"one bit": 1, "two bits": 2, "20 bits": 20}


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
        words = kill.command("train", path, folder / "videos")[5:]
        self.cfg = settings(words)
        self.work = artifacts.Workdir(str(path))
        if not (folder / "bundle").exists():
            self._run_stages(path)
        self.videos = artifacts.load_dataset(self.work.dataset).videos

    def _run_stages(self, path: pathlib.Path) -> None:
        videos = self._folder / "videos"
        stick_actions.generate(
            videos, classes=("SitDown", "StandUp"), clips_per_class=2, test_clips_per_class=1
        )
        path.mkdir()
        for stage in (*kill.STAGES, "evaluate"):
            command = kill.command(stage, path, videos)
            kill.run_to_end(kill.Process(command, path, self._folder / "output.txt"))
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


def settings(words: Sequence[str]) -> RunConfig:
    """The configuration that these flags give."""
    values = flags.FlagValues()
    config_flags.define(values)
    values(["program", *words])
    return config_flags.config(values)


# ---- what the stages read ------------------------------------------------------------------------


def _model(done: Finished) -> Any:
    stored, run = read_run(done.work, RUN)
    return stored, run.record


_OF_TRAINING = ("config.json", "metrics.jsonl", "hashes.jsonl", "ckpt", "best")
"""What `train` itself writes in the folder of a run."""


def _trained_again(done: Finished) -> Any:
    """What `train` leaves in the folder of the run.

    A damaged checkpoint is moved, and where steps are made again, results are removed.
    """
    train.run(done.cfg)
    left = {}
    for name, content in kill.contents(done.run).items():
        if name in _OF_TRAINING:
            left[name] = content
    return left


def _features(done: Finished) -> Any:
    content = []
    for folder in sorted((pathlib.Path(str(done.work.path)) / "features" / "flow").iterdir()):
        store = FeatureStore.open(folder)
        verify_features(_Stores(store), _of_store(store, done.videos), "once")
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
    classes = len(artifacts.load_dataset(done.work.dataset).classes)
    return [evaluated.load_video(done.work, RUN, v, classes) for v in done.test_videos]


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
    "checkpoints of a run, gone on from": Kind((f"work/runs/{RUN}/ckpt/**/*",), _trained_again, 2),
    "checkpoints of a backbone": Kind(
        ("work/convnets/flow/ckpt/40/**/*",), lambda done: load_convnet(done.work.convnet("flow"))
    ),
    "logs of a run, gone on from": Kind((f"work/runs/{RUN}/metrics.jsonl",), _trained_again, 1),
    "settings of a run": Kind((f"work/runs/{RUN}/config.json",), _model),
    "settings of a backbone": Kind(
        ("work/convnets/flow/config.json",), lambda done: load_convnet(done.work.convnet("flow")), 2
    ),
    "metrics": Kind(
        (f"work/runs/{RUN}/metrics.jsonl", "work/convnets/flow/metrics.jsonl"),
        lambda done: work_contents.load_metrics(done.work),
    ),
    "features": Kind(("work/features/**/*.f16",), _features, 8),
    "indexes of features": Kind(("work/features/**/index.json",), _features),
    "flow": Kind(("work/flow/**/*.zip",), _flow, 8),
    "index and settings of flow": Kind(("work/flow/*.json",), _flow),
    "list of videos": Kind(
        ("work/dataset.json",), lambda done: artifacts.load_dataset(done.work.dataset)
    ),
    "scores": Kind(
        (f"work/runs/{RUN}/scores.npz",),
        lambda done: artifacts.load_scores(done.work.scores(RUN)),
    ),
    "scores and attention of frames": Kind((f"work/runs/{RUN}/videos/**/*.npz",), _evaluated),
    "bundles": Kind(("bundle/**/*.*",), lambda done: read_bundle(done.bundle), 8),
}
"""By name; the files of a work folder whose damage would change a result."""


# ---- trials --------------------------------------------------------------------------------------


class Trial(NamedTuple):
    """What happens to which file of a kind."""

    kind: str
    path: pathlib.Path
    damage: str
    seed: int


def draw_trial(done: Finished, seed: int) -> Trial:
    """The trial of a seed."""
    random = np.random.default_rng(seed)
    shares = np.array([kind.share for kind in KINDS.values()], float)
    name = str(random.choice(list(KINDS), p=shares / shares.sum()))
    path = done.files(KINDS[name].patterns)
    damage = str(random.choice(DAMAGES, p=(0.3, 0.1, 0.2, 0.3, 0.1)))
    return Trial(name, path[int(random.integers(len(path)))], damage, seed)


def damage_file(trial: Trial) -> None:
    """Damages the file of a trial."""
    random = np.random.default_rng([trial.seed, 1])
    data = bytearray(trial.path.read_bytes())
    if trial.damage == "missing" or not data:
        trial.path.unlink()
        return
    if trial.damage == "cut short":
        del data[int(random.integers(len(data))) :]
    else:
        for bit in random.integers(0, 8 * len(data), _BITS[trial.damage]):
            data[bit // 8] ^= 1 << bit % 8
    trial.path.write_bytes(bytes(data))


def digest(content: Any) -> str:
    """The sha256 of what was read, of arrays bit by bit."""
    sha256 = hashlib.sha256()
    _add(sha256, content)
    return sha256.hexdigest()


def _add(sha256: Any, content: Any) -> None:
    """Adds a value, and all that it holds, to a digest."""
    if isinstance(content, (np.ndarray, jax.Array)):
        array = np.asarray(content)
        sha256.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    elif dataclasses.is_dataclass(content):
        _add(sha256, {f.name: getattr(content, f.name) for f in dataclasses.fields(content)})
    elif isinstance(content, Mapping):
        for name in sorted(content):
            sha256.update(repr(name).encode())
            _add(sha256, content[name])
    elif isinstance(content, (tuple, list)):
        sha256.update(f"{type(content).__name__} of {len(content)}".encode())
        for part in content:
            _add(sha256, part)
    else:
        sha256.update(repr(content).encode())


def is_mendable(error: BaseException) -> bool:
    """Whether a command prints the error in one line, as `cli.ending` does."""
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return error.errno is not None
    return type(error).__module__.startswith("videolstm_jax")


def names_file(message: str, path: pathlib.Path) -> bool:
    """Whether a message names a file, or a folder that holds it and not much else."""
    if path.name in message:
        return True
    # Files of a checkpoint have names without a meaning; their folder is what can be mended.
    return any(f"{folder}:" in message or f"{folder} " in message for folder in _near(path))


def _near(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders of a file up to that of the checkpoints, or of the store."""
    for folder in path.parents:
        yield folder
        if folder.name in ("ckpt", "best") or folder.parent.name in ("flow", "runs", "features"):
            return


class Bench:
    """A finished work folder, in which one file at a time is damaged."""

    def __init__(self, folder: pathlib.Path):
        """Runs the pipeline in the folder and reads what the files are before any damage."""
        self.done = Finished(folder)
        self._folder = folder
        self._sound = folder / "sound run"
        if not self._sound.exists():
            shutil.copytree(self.done.run, self._sound)
        self._expected: dict[str, str] = {}

    def expected(self, kind: str) -> str:
        """The digest of what is read of a kind of files before any damage."""
        if kind not in self._expected:
            self._expected[kind] = digest(KINDS[kind].read(self.done))
        return self._expected[kind]

    def trial(self, trial: Trial) -> dict[str, Any]:
        """Damages a file, reads it, and mends it.

        Returns:
          The row of the trial: `outcome` is `refused`, `equal`, `passed over` where a line names
          the file and what was read is another sound state, or a failure.
        """
        expected = self.expected(trial.kind)
        sound = trial.path.read_bytes()
        damage_file(trial)
        printed = io.StringIO()
        message = ""
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(printed):
                content = digest(KINDS[trial.kind].read(self.done))
        # All that a reader may raise; the next lines tell mendable errors from others.
        except Exception as error:
            message = str(error)
            outcome = self._refused(error, trial.path)
        else:
            outcome = "equal"
            named = names_file(printed.getvalue(), trial.path)
            if content != expected:
                outcome = "passed over" if named else "SILENT"
        self._mend(trial, sound)
        return {
            "seed": trial.seed,
            "kind": trial.kind,
            "file": os.path.relpath(trial.path, self._folder),
            "damage": trial.damage,
            "outcome": outcome,
            "message": message.replace(str(self._folder) + "/", "")[:240],
            "sound": outcome in ("refused", "equal", "passed over"),
        }

    def _refused(self, error: Exception, path: pathlib.Path) -> str:
        """What an error comes to."""
        message = files.system_error_text(error) if isinstance(error, OSError) else str(error)
        if not is_mendable(error):
            return f"CRASH of {type(error).__name__}"
        if len(message.splitlines()) > 1:
            return "SEVERAL LINES"
        if not names_file(message, path):
            return "UNNAMED"
        return "refused"

    def _mend(self, trial: Trial, sound: bytes) -> None:
        """Puts everything back that the trial has changed."""
        if KINDS[trial.kind].read is _trained_again:
            shutil.rmtree(self.done.run)
            shutil.copytree(self._sound, self.done.run)
        else:
            trial.path.write_bytes(sound)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The counts of outcomes of each kind."""
    counts: dict[str, Counter] = {name: Counter() for name in KINDS}
    for row in rows:
        counts[row["kind"]][row["outcome"]] += 1
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def main() -> None:
    """Runs the trials and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="damaged_files")
    parser.add_argument("--trials", type=int, default=1000, help="default: 1000")
    parser.add_argument("--folder", default="", help="keep the pipeline there; default: nowhere")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}.jsonl"
    rows = kill.read_rows(path)
    # As the commands do: orbax logs the error of each array with a traceback.
    ending.hide_orbax_tracebacks()
    with tempfile.TemporaryDirectory() as temporary, path.open("a") as file:
        folder = pathlib.Path(options.folder or temporary).absolute()
        folder.mkdir(exist_ok=True)
        # The record of compared files must be of this folder alone.
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        bench = Bench(folder)
        stamp = record.stamp()
        for seed in range(len(rows), options.trials):
            rows.append(bench.trial(draw_trial(bench.done, seed)) | stamp)
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
            if not rows[-1]["sound"]:
                print(json.dumps(rows[-1]), flush=True)
    print(json.dumps(summary(rows), indent=1))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
