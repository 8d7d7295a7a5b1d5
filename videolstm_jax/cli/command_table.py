"""The table of all commands: what each does, and which settings it reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Command(NamedTuple):
    """One command.

    `summary` is one line for `videolstm --help`. `module` is the module of this package that runs
    it; the stages that have no flags of their own need none. `settings` are the sections and the
    single settings that it reads; its `--help` shows them without the advanced ones. A command
    without settings takes only flags of its own. `preset` is its default. `positional` has
    each action with its arguments, separated by ", ". `processes` says how several processes run
    it: `one` (they are refused), `shards` (each does its share and needs no other one), or
    `together`.
    """

    summary: str
    settings: tuple[str, ...] = ()
    module: str = ""
    preset: str = "paper"
    positional: str = ""
    processes: str = "one"


_RUN = ("workdir", "name", "model.cell", "data.stream")
_DECODING = ("data.fps", "data.max_frames", "data.workers", "data.time_limit")
# By name and not as the section "model": sizes of features are in it, which no user sets.
_MODEL = (
    "model.hidden",
    "model.attention",
    "model.kernel",
    "model.motion_kernel",
    "model.head",
    "model.dropout",
    "model.hidden_dropout",
    "model.attention_scale",
    "model.start",
    "model.init",
    "model.forget_bias",
    "model.engine",
    "model.dtype",
    "model.remat",
)
_LISTING = (
    "data.source",
    "data.videos",
    "data.boxes",
    "data.split",
    "data.lists",
    "data.classes",
    "data.test_fraction",
    "data.validation",
    "data.hold_out",
    "data.group_pattern",
    "data.on_bad_video",
)
_STICK_ACTIONS = (
    "data.difficulty",
    "data.clips_per_class",
    "data.test_clips_per_class",
    "data.context",
)
# A pipeline reads every setting. These are the ones that most users need;
# `--cells` is short for pipeline.cells.
_PIPELINE = (
    "workdir",
    "pipeline.flow_cell",
    *_LISTING,
    "data.fps",
    "flow.method",
    "convnet.weights",
    "convnet.steps",
    "train.steps",
    "train.backbone_from",
    "report.examples",
)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "pipeline": Command(
            "Runs all stages, from a folder of videos to a page of pictures.",
            ("seed", "data.fit", *_PIPELINE),
            module="pipeline",
            # Videos of the user's own: a set is seldom as large as the paper's.
            preset="small",
            processes="together",
        ),
        "sweep": Command(
            "Runs one pipeline for each seed or held-out group, and pools the results.",
            # Without "seed", which --seeds gives to each pipeline.
            _PIPELINE,
            module="sweep",
            preset="small",
        ),
        "paper": Command(
            "Runs or shows the numbers of the paper by name, such as table1/ucf101/rgb/convalstm.",
            ("workdir", "convnet.weights", "data.boxes", "data.on_bad_video", "train.devices"),
            module="paper",
            positional="[NAME ..]",
        ),
        "prepare": Command(
            "Lists the videos, checks that every one decodes, and stores optical flow.",
            (
                "workdir",
                "seed",
                "break_lock",
                *_LISTING,
                *_DECODING,
                *_STICK_ACTIONS,
                "data.fit",
                "flow",
                "convnet.image_size",
                "train.balance",
                "train.backbone_from",
            ),
            processes="together",
        ),
        "nearest": Command(
            "Scores test videos by nearest neighbours on motion, and on size: the baselines.",
            ("workdir", "data.verify", "flow.online", "eval.allow_missing", "break_lock"),
        ),
        "fit_convnet": Command(
            "Fits the backbone of one stream to single frames.",
            (
                "workdir",
                "seed",
                "data.stream",
                "data.fit",
                "data.verify",
                *_DECODING,
                "flow.online",
                "convnet",
                "train.log_every",
                "train.save_every",
                "train.nonfinite",
                "train.hash_every",
                "train.devices",
                "train.shards",
                "train.balance",
                "resume",
                "break_lock",
            ),
            processes="together",
        ),
        "extract": Command(
            "Stores the backbone's features of every frame of one stream.",
            (
                "workdir",
                "data.stream",
                "data.verify",
                "data.feature_dtype",
                "data.mirrored",
                "data.fit",
                "convnet.backbone",
                "train.backbone_from",
                *_DECODING,
                "flow.online",
                "eval.allow_missing",
                "eval.allow_trained",
                "break_lock",
            ),
            module="extract",
            processes="shards",
        ),
        "train": Command(
            "Trains one recurrent model on the stored features.",
            (
                *_RUN,
                "seed",
                "data.fit",
                "data.frames",
                "data.batch",
                "data.order",
                "data.short_clips",
                "data.feature_scale",
                "data.mirrored",
                "data.validation",
                "data.verify",
                *_MODEL,
                "optim",
                "train",
                "eval.batch",
                "eval.segment_rule",
                "resume",
                "break_lock",
            ),
            processes="together",
        ),
        "evaluate": Command(
            "Scores the test videos with a trained model, and stores its attention.",
            # Without the settings of the model, which the run keeps.
            (
                *_RUN,
                "data.fit",
                "data.frames",
                "data.short_clips",
                "data.verify",
                "eval",
                "report.examples",
                "break_lock",
            ),
            processes="together",
        ),
        "localize": Command(
            "Turns the attention of a run into boxes and tubes, and measures them.",
            (
                *_RUN,
                "seed",
                "data.fit",
                "localize",
                "data.verify",
                "eval.allow_trained",
                "break_lock",
            ),
        ),
        "fuse": Command(
            "Multiplies the class scores of several runs.",
            ("workdir", "fuse", "eval.allow_missing", "eval.allow_trained", "break_lock"),
        ),
        "idt": Command(
            "Scores videos by improved dense trajectories and Fisher vectors, for fusion.",
            (
                "workdir",
                "seed",
                *_DECODING,
                "flow.method",
                "idt",
                "eval.allow_missing",
                "break_lock",
            ),
            module="idt",
        ),
        "objects": Command(
            "Scores videos by the ImageNet classes of their frames, for fusion.",
            ("workdir", "seed", *_DECODING, "objects", "eval.allow_missing", "break_lock"),
        ),
        "report": Command(
            "Draws everything in the work folder on one page.",
            ("workdir", "report", "eval.allow_missing", "eval.allow_trained", "break_lock"),
        ),
        "predict": Command(
            "Reads a video, a camera or a pipe with a trained model, and films its predictions.",
            module="predict",
        ),
        "bundle": Command(
            "Writes a trained model as a folder of its own, which another machine can load.",
            module="bundle",
        ),
        "overlay": Command(
            "Makes films and strips of what a run predicted in its test videos.",
            module="overlay",
        ),
        "measure": Command(
            "Measures detected tubes of any known form against true ones.",
            module="measure",
        ),
        "annotations": Command(
            "Converts or compares annotated tubes of any known form.",
            module="annotations",
        ),
        "features": Command(
            "Inspects, verifies, compacts or imports stores of features.",
            module="features",
            positional="inspect DIR .., verify DIR .., compact FROM TO, authors FROM TO, "
            "sharma FROM TO, arrays FROM TO",
        ),
        "scores": Command(
            "Imports or shows class scores of any system, for fusion with those of runs.",
            module="scores",
            positional="import FROM TO.npz, show FILE ..",
        ),
        "compare": Command(
            "Finds the step at which two trainings part, by the digests of their states.",
            module="compare",
        ),
        "local_pod": Command(
            "Runs one command as several processes on this machine, as a scheduler would.",
            module="local_pod",
            positional="COMMAND FLAG ..",
        ),
        "fetch_weights": Command(
            "Fetches ImageNet weights of VGG-16 on a connected machine.",
            module="fetch_weights",
        ),
    }
)

DEPRECATED: Mapping[str, str] = MappingProxyType({"walk": "pipeline"})
"""Old names of commands, which still work for one release."""
