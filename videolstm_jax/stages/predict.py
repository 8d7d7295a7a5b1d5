"""Reads a video, a camera or a pipe with a trained model, and films its predictions on the way."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import time
import urllib.parse
from collections.abc import Iterator

import numpy as np
from etils import epath

from videolstm_jax.config import PredictConfig
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.progress_lines import CLEAR_LINE
from videolstm_jax.report.latency import Latency
from videolstm_jax.trained.bundle.reader import is_bundle
from videolstm_jax.trained.predictor import Prediction, Predictor
from videolstm_jax.trained.stream_film import StreamFilm
from videolstm_jax.video import encode, live
from videolstm_jax.workdir.layout import workdir_of_run

PRINTED_EVERY = 100
"""Off a terminal, a line is printed every so many frames."""
REDRAWN_AFTER = 0.1
"""On a terminal, the line is rewritten at most once in so many seconds."""
BEST_CLASSES = 3
"""Classes that the line names."""


def run(cfg: PredictConfig) -> epath.Path | None:
    """Reads to the end of the stream, or until it is interrupted, which is how a camera's ends.

    Writes the film as frames come, and after it a film strip of the whole, a .png of the same name.
    A stream that turns out damaged is filmed as far as it could be read. Times are only printed.

    Returns:
      The path of the film, or None where none was asked for.

    Raises:
      FileError, ConfigError: a model or setting that cannot be used; or another process writes
        this film.
      VideoError: no such stream, damage in it, or too few frames to predict one.
    """
    # Checked before anything is loaded: a mistake in a path should not cost the loading of a model.
    path = _film_path(cfg)
    _check_not_source(path, cfg.video)
    predictor = Predictor(cfg.folder, flow=cfg.flow)
    latency = Latency()
    if predictor.warning:
        print(f"predict: warning: {predictor.warning}", file=sys.stderr, flush=True)
    fps = predictor.model.place.fps
    with live.open_live_video(cfg.video, fps=fps, max_frames=cfg.max_frames) as stream:
        rate = f"{stream.fps:g} frames a second"
        print(f"predict: {cfg.folder} reads {stream.name}, {rate}", flush=True)
        with _film_writer(path), StreamFilm(path, cfg.side, stream.fps, predictor) as film:
            # The error is raised at the end: the film is closed first, and the times are of use.
            damage = _read(predictor, stream.frames, film, latency)
        # Damage before the first prediction is the error to show, not the empty film.
        if not film.frames:
            raise damage or VideoError(
                f"{stream.name}: too short to predict a frame; expected at least "
                f"{1 + predictor.delay} frames"
            )
    print(latency.table(), flush=True)
    if damage is not None:
        raise damage
    return path


@contextlib.contextmanager
def _film_writer(path: epath.Path | None) -> Iterator[None]:
    """Holds the locks of the film and of its strip; none where nothing is written."""
    if path is None:
        yield
        return
    with file_writer(path, "predict"), file_writer(path.with_suffix(".png"), "predict"):
        yield


def _film_path(cfg: PredictConfig) -> epath.Path | None:
    """Where the film goes; None where none is wanted."""
    if cfg.output == "none":
        return None
    if not cfg.output:
        return _predicted_folder(cfg) / f"{_stream_stem(cfg.video)}.mp4"
    path = epath.Path(cfg.output)
    if path.suffix.lower() not in encode.CONTAINERS or "://" in cfg.output:
        raise ConfigError(
            f"--output is {cfg.output!r}; expected none, or a path on this machine "
            f"that ends in {', '.join(encode.CONTAINERS)}"
        )
    return path


def _predicted_folder(cfg: PredictConfig) -> epath.Path:
    """The folder of films: in the work folder of a run, in the current one for a bundle."""
    # A bundle may be shared or read-only, so nothing is written into it.
    if is_bundle(cfg.folder):
        return epath.Path("predicted")
    work, _ = workdir_of_run(cfg.folder)
    return work.path / "predicted"


def _stream_stem(video: str) -> str:
    """The name of a film of this file, camera or pipe."""
    if video == live.PIPE:
        return "stdin"
    if live.is_network_video(video):
        # The path alone: an address may have a password in it, which no file name should show.
        address = urllib.parse.urlsplit(video)
        return pathlib.PurePosixPath(address.path).stem or address.hostname or "network"
    path = epath.Path(video)
    # A number is a camera, unless a file has that name; see `live.open_live_video`.
    if video.isdecimal() and not path.exists():
        return f"camera-{video}"
    return path.stem


def _check_not_source(path: epath.Path | None, video: str) -> None:
    """Raises ConfigError where the film would be written over the video that it shows."""
    if path is None or not path.exists() or not os.path.exists(video):
        return
    # The file itself and not its name, which links hide: the film is begun while the video is read.
    if os.path.samefile(path, video):
        raise ConfigError(
            f"the film would replace its own source, {video}; expected another --output"
        )


def _read(
    predictor: Predictor, frames: Iterator[np.ndarray], film: StreamFilm, latency: Latency
) -> VideoError | None:
    """Reads all frames there are; returns the damage that ended them, if any."""
    line = _StatusLine(predictor.classes)
    prediction: Prediction | None = None
    frame: np.ndarray | None = None
    damage = None
    try:
        while True:
            start_time = time.perf_counter()
            # Timed with `next`: a `for` would hide how long decoding, or the camera, lets the model
            # wait.
            following = next(frames, None)
            if following is None:
                break
            decode_seconds = time.perf_counter() - start_time
            previous_frame, frame = frame, following
            prediction = predictor(frame)
            if prediction is None:
                continue
            # With flow the prediction is of the frame before the one that was just read.
            predicted_frame = frame
            if predictor.delay and previous_frame is not None:
                predicted_frame = previous_frame
            film_seconds = film.add(predicted_frame, prediction)
            latency.add({"decode": decode_seconds, **prediction.seconds, **film_seconds})
            line.show(prediction)
    except KeyboardInterrupt:
        print("\npredict: interrupted", flush=True)
    except VideoError as error:
        damage = error
    if prediction is not None and frame is not None and predictor.delay:
        # The last frame has no flow: the film holds the last prediction on it.
        film.add(frame, prediction._replace(frame=prediction.frame + 1))
    line.end(prediction)
    return damage


class _StatusLine:
    """The last prediction in one line: rewritten on a terminal, printed now and then elsewhere."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._terminal = sys.stdout.isatty()
        self._begun = self._shown = 0.0
        self._text = ""

    def show(self, prediction: Prediction) -> None:
        """Prints a prediction, if it is time to."""
        now = time.perf_counter()
        if prediction.frame == 1:
            self._begun = now  # the first frame compiles, so it is not counted
        self._text = self._described(prediction, now)
        if self._terminal and now - self._shown >= REDRAWN_AFTER:
            self._shown = now
            print(CLEAR_LINE + self._text, end="", flush=True)
        elif not self._terminal and prediction.frame % PRINTED_EVERY == 0:
            print(self._text, flush=True)

    def end(self, prediction: Prediction | None) -> None:
        """Prints the last line, where it has not been printed already."""
        if prediction is None:
            return
        if self._terminal:
            print(CLEAR_LINE + self._text, flush=True)
        elif prediction.frame % PRINTED_EVERY:
            print(self._text, flush=True)

    def _described(self, prediction: Prediction, now: float) -> str:
        parts = [f"frame {prediction.frame}"]
        # Stable, so that equal classes do not change places from line to line.
        for label in np.argsort(-prediction.mean, kind="stable")[:BEST_CLASSES]:
            parts.append(f"{self._classes[label]} {prediction.mean[label]:.2f}")
        if prediction.box is not None:
            left, top, right, bottom = prediction.box
            parts.append(f"box {left:.0f} {top:.0f} {right:.0f} {bottom:.0f}")
        if prediction.frame > 1:
            # Over all frames but the first; the rate of a single frame jumps too much to be read.
            rate = (prediction.frame - 1) / (now - self._begun)
            parts.append(f"{rate:.1f} frames/s")
        return "  ".join(parts)
