"""Reads a video, a camera or a pipe with a trained run, and films what it sees as it goes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.config import LocalizeConfig, PredictConfig
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.report import board, embed, overlay
from videolstm_jax.report.latency import Latency
from videolstm_jax.trained.predictor import Prediction, Predictor
from videolstm_jax.video import encode, live
from videolstm_jax.video.live import Live

EVERY = 100
"""Off a terminal, a line is printed every so many frames."""
REDRAWN = 0.1
"""On a terminal, the line is rewritten at most once in so many seconds."""
KEPT_CELLS = 4 * board.CELLS
KEPT_SCORES = 960
"""Frames whose scores the strip's timeline keeps at most; of a longer stream every second, fourth
.. frame.
"""


def run(cfg: PredictConfig) -> epath.Path | None:
    """Reads to the end of the stream, or until it is interrupted, which is how a camera's stream
    ends.

    Writes the film as it goes, and behind it a film strip of the whole, a .png of the same name. A
    stream that turns out damaged is filmed as far as it could be read. Times go to the terminal
    only.

    Returns:
      The path of the film, or None where none was asked for.

    Raises:
      FileError, ConfigError: a run or setting that cannot be used.
      VideoError: no such stream, damage in it, or too few frames to say anything.
    """
    path = _film_path(cfg)
    if (
        path is not None
        and os.path.exists(cfg.video)
        and path.exists()
        and os.path.samefile(path, cfg.video)
    ):
        raise ConfigError(
            f"the film would replace its own source, {cfg.video}; expected another PredictConfig.output"
        )
    predictor, latency = Predictor(cfg.checkpoint, flow=cfg.flow), Latency()
    if predictor.parts.note:
        print(f"predict: warning: {predictor.parts.note}", file=sys.stderr, flush=True)
    with live.opened(cfg.video, fps=predictor.parts.fps, max_frames=cfg.max_frames) as stream:
        print(
            f"predict: {cfg.checkpoint} watches {stream.name}, {stream.fps:g} frames a second",
            flush=True,
        )
        with _Film(path, cfg.side, stream.fps, predictor) as film:
            damage = _watch(predictor, stream, film, latency)
        if not film.frames:
            raise damage or VideoError(
                f"{stream.name}: too short, nothing can be said of it; expected at least "
                f"{1 + (predictor.parts.flow is not None)} frames"
            )
    print(latency.table(), flush=True)
    if damage is not None:
        raise damage
    return path


def _film_path(cfg: PredictConfig) -> epath.Path | None:
    if cfg.output == "none":
        return None
    if not cfg.output:
        camera = cfg.video.isdecimal() and not epath.Path(cfg.video).exists()
        stem = (
            "stdin"
            if cfg.video == live.PIPE
            else f"camera-{cfg.video}"
            if camera
            else epath.Path(cfg.video).stem
        )
        return artifacts.of_run(cfg.checkpoint)[0].path / "predicted" / f"{stem}.mp4"
    path = epath.Path(cfg.output)
    if path.suffix.lower() not in encode.CONTAINERS or "://" in cfg.output:
        raise ConfigError(
            f"PredictConfig.output is {cfg.output!r}; expected none, or a path on this machine that "
            f"ends in {', '.join(encode.CONTAINERS)}"
        )
    return path


def _watch(predictor: Predictor, stream: Live, film: _Film, latency: Latency) -> VideoError | None:
    """Reads all there is; returns the damage that it came to, if any."""
    line = _Line(predictor.classes)
    found: Prediction | None = None
    frame: np.ndarray | None = None
    damage = None
    try:
        while True:
            began = time.perf_counter()
            following = next(stream.frames, None)
            if following is None:
                break
            decoded = time.perf_counter() - began
            before, frame = frame, following
            found = predictor(frame)
            if found is None:
                continue
            drawn = film.add(
                frame if predictor.parts.flow is None or before is None else before, found
            )
            latency.add({"decode": decoded, **found.seconds, **drawn})
            line.show(found)
    except KeyboardInterrupt:
        print("\npredict: interrupted", flush=True)
    except VideoError as error:
        damage = error
    if found is not None and frame is not None and predictor.parts.flow is not None:
        film.add(
            frame, found._replace(frame=found.frame + 1)
        )  # the last frame has no flow: what is known is held
    line.end(found)
    return damage


class _Line:
    """What is known, in one line: rewritten in place on a terminal, printed now and then elsewhere."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._terminal = sys.stdout.isatty()
        self._begun = self._shown = 0.0
        self._last = ""

    def show(self, found: Prediction) -> None:
        """Says what has been found, if it is time to."""
        now = time.perf_counter()
        if found.frame == 1:
            self._begun = now  # the first frame compiles
        best = np.argsort(-found.mean, kind="stable")[:3]
        said = "  ".join(f"{self._classes[c]} {found.mean[c]:.2f}" for c in best)
        box = "" if found.box is None else f"  box {' '.join(f'{side:.0f}' for side in found.box)}"
        rate = (
            f"  {(found.frame - 1) / (now - self._begun):.1f} frames/s" if found.frame > 1 else ""
        )
        self._last = f"frame {found.frame}  {said}{box}{rate}"
        if self._terminal and now - self._shown >= REDRAWN:
            self._shown = now
            print("\r\x1b[2K" + self._last, end="", flush=True)
        elif not self._terminal and found.frame % EVERY == 0:
            print(self._last, flush=True)

    def end(self, found: Prediction | None) -> None:
        """Leaves the last line where it can be read."""
        if found is not None and (self._terminal or found.frame % EVERY):
            print(("\r\x1b[2K" if self._terminal else "") + self._last, flush=True)


class _Film:
    """The film, opened when its first picture is there, and the strip that is written behind it."""

    def __init__(
        self, path: epath.Path | None, side: int, fps: float, predictor: Predictor
    ) -> None:
        self.frames = 0
        self._path, self._side, self._fps = path, side, fps
        self._classes = predictor.classes
        self._settings = LocalizeConfig(sigma=predictor.parts.how.sigma)
        self._recent = board.Recent(predictor.classes)
        self._cells, self._scores = board.Thinned(KEPT_CELLS), board.Thinned(KEPT_SCORES)
        self._mean = np.zeros(len(predictor.classes))
        self._stack = contextlib.ExitStack()
        self._write: Callable[[np.ndarray], None] | None = None

    def __enter__(self) -> _Film:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)
        if error[0] is None and self._path is not None and self.frames:
            files.write_bytes(self._path.with_suffix(".png"), embed.still(self._strip()))

    def add(self, frame: np.ndarray, found: Prediction) -> dict[str, float]:
        """Draws and writes one frame; returns the seconds of both."""
        self.frames += 1
        if self._path is None:
            return {}
        began = time.perf_counter()
        view, lines, word = (
            self._view(frame, found, self._side),
            self._recent.add(found.scores, found.mean),
            f"frame {found.frame}",
        )
        card = board.card(view, lines, word)
        self._cells.add(lambda: board.cell(self._view(frame, found, self._side // 2), lines, word))
        self._scores.add(lambda: found.scores)
        self._mean = found.mean
        drawn = time.perf_counter()
        if self._write is None:
            film = encode.growing(self._path, card.shape[1::-1], self._fps, codec="h264_quick")
            self._write = self._stack.enter_context(film)
        self._write(card)
        return {"draw": drawn - began, "encode": time.perf_counter() - drawn}

    def _view(self, frame: np.ndarray, found: Prediction, side: int) -> board.View:
        look = found.attention
        heat = (
            None
            if look is None
            else lambda size: saliency(look[None], size, settings=self._settings)[0]
        )
        return board.view(frame, side, heat, found=None if found.box is None else found.box[None])

    def _strip(self) -> np.ndarray:
        chosen = [self._cells.kept[k] for k in overlay.evenly(len(self._cells.kept), board.CELLS)]
        top = np.argsort(-self._mean, kind="stable")[: len(board.PALETTE)]
        lines = board.Lines(
            tuple(self._classes[c] for c in top),
            self._mean[top],
            np.stack(self._scores.kept)[:, top],
            0,
            self.frames,
            stride=self._scores.stride,
        )
        return board.strip(chosen, lines)
