"""Files whose readers are slow: runs, backbones and bundles, which JAX checks, and videos.

They are made anew, which takes seconds, so only the recorded run and a slow test try them.
"""

import contextlib
import json
import pathlib
from unittest import mock

from bundle_workdir import run_settings, write_work
from file_encodings import json_bytes, signed_json
from foreign_file import ForeignFile
from small_films import smooth

from videolstm_jax.backbone import convnet
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.sealed_json import SEAL
from videolstm_jax.trained import run_folder
from videolstm_jax.trained.bundle.reader import read_bundle
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.run_folder import read_run
from videolstm_jax.video import encode, guard
from videolstm_jax.workdir.layout import Workdir

_RUN = "runs/videolstm-rgb/config.json"
_CONVNET = "convnets/rgb/config.json"


def slow_files(folder):
    """The files, made of a work folder and of videos that are written below `folder`."""
    work = write_work(run_settings(folder / "work"), [("videolstm", "rgb")])
    bundle = TrainedModel.load(work.run("videolstm-rgb")).save(folder / "bundle")
    return (*_of_models(_contents(folder / "work"), _contents(bundle)), *_of_videos(folder))


@contextlib.contextmanager
def shapes_computed_once():
    """Has the shapes of a model computed once for the same settings.

    They depend on nothing else, so a reader does what it does without this, in half the time.
    """
    with (
        mock.patch.object(
            run_folder, "trained_block_params_like", _once(run_folder.trained_block_params_like)
        ),
        mock.patch.object(convnet, "backbone_params_like", _once(convnet.backbone_params_like)),
    ):
        yield


def _once(function):
    """The function, which remembers its results; errors are raised anew."""
    results = {}

    def answer(*settings):
        # Not the settings themselves: 1 and True are equal, and a list cannot be looked up.
        key = repr(settings)
        if key not in results:
            results[key] = function(*settings)
        return results[key]

    return answer


def _of_models(work, bundle):
    def run(folder):
        return read_run(Workdir(str(folder)), "videolstm-rgb")

    def backbone(folder):
        return load_convnet(Workdir(str(folder)).convnet("rgb"))

    return (
        ForeignFile(
            "config.json of a run, with its model",
            _RUN,
            (_record(work[_RUN]),),
            run,
            json_bytes,
            True,
            work,
        ),
        ForeignFile(
            "config.json of a backbone",
            _CONVNET,
            (_record(work[_CONVNET]),),
            backbone,
            json_bytes,
            True,
            work,
        ),
        ForeignFile(
            "model.json of a bundle",
            "model.json",
            (_record(bundle["model.json"]),),
            read_bundle,
            signed_json,
            True,
            bundle,
        ),
    )


def _of_videos(folder):
    crew = guard.Crew(1, limit=60)
    files = []
    for suffix, codec in ((".mp4", "mpeg4"), (".avi", "mjpeg"), (".mkv", "mpeg4")):
        path = folder / f"v{suffix}"
        encode.write_video(path, smooth(6, 24, 32), codec=codec)
        # Workers keep a crash of FFmpeg from this process, and are slow to start again.
        files.append(
            ForeignFile(
                f"video {suffix}",
                path.name,
                (path.read_bytes(),),
                lambda place, name=path.name: crew.read(place / name, max_frames=64),
            )
        )
    return files


def _contents(folder):
    contents = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            contents[str(path.relative_to(folder))] = path.read_bytes()
    return contents


def _record(content):
    record = json.loads(content)
    record.pop(SEAL, None)
    return record
