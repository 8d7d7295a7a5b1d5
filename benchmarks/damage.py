"""How often is a damaged video refused, and how often is it read with other pictures?

    python -m benchmarks.damage --each 25

Compares codecs and kinds of damage. A damaged clip is refused, or gives the same pictures as
before, or gives other pictures without an error. The last are the ones to know about: no stage can
notice them. Clips are decoded in worker processes, as the stages do.
Results: benchmarks/results/damage.json.
"""

from __future__ import annotations

import fractions
import pathlib
import tempfile
from collections import Counter
from typing import NamedTuple

import av
import numpy as np

from benchmarks import command_line, record
from videolstm_jax.errors import VideoError
from videolstm_jax.video import guard


class Codec(NamedTuple):
    """How a clip is written: FFmpeg's encoder, its pixel format, the container and the options.

    With `dropped_every` n, every n-th picture is left out as a camera drops it: in AVI it becomes a
    chunk of no bytes.
    """

    encoder: str
    pixels: str
    suffix: str
    options: dict[str, str]
    dropped_every: int = 0


# A key frame every 12 frames (`g`) lets damage both spread and end within a clip of 40.
QUICK = {"g": "12", "cpu-used": "8", "deadline": "realtime"}
CODECS = {
    "H.264, mp4": Codec("libx264", "yuv420p", ".mp4", {"preset": "veryfast", "g": "12"}),
    "H.264, mkv": Codec("libx264", "yuv420p", ".mkv", {"preset": "veryfast", "g": "12"}),
    "MPEG-4 (XviD), avi": Codec("mpeg4", "yuv420p", ".avi", {"g": "12", "bf": "2"}),
    "MJPEG, avi": Codec("mjpeg", "yuvj420p", ".avi", {}),
    "VP9, webm": Codec("libvpx-vp9", "yuv420p", ".webm", QUICK),
    "AV1, mp4": Codec("libsvtav1", "yuv420p", ".mp4", {"g": "12", "preset": "12"}),
    "MJPEG with null chunks, avi": Codec("mjpeg", "yuvj420p", ".avi", {}, dropped_every=5),
    "VP8, webm": Codec("libvpx", "yuv420p", ".webm", QUICK),
    "MPEG-2, ts": Codec("mpeg2video", "yuv420p", ".ts", {"g": "12", "bf": "2"}),
    "HEVC, mkv": Codec(
        "libx265", "yuv420p", ".mkv", {"x265-params": "keyint=12:log-level=none", "preset": "fast"}
    ),
}
"""The kinds of clips. The random damage of each does not depend on the others."""
KINDS = (
    "cut short",
    "a run of zeros",
    "a run of noise",
    "a run lost",
    "flipped bits",
    "noise in the header",
)
LIMIT = 30.0
"""Seconds for one small clip."""

# Where headers lie: damage of the kind "noise in the header" begins in these bytes.
_HEADER_BYTES = 400


def textured_clip(frames: int = 40, width: int = 128, height: int = 96) -> np.ndarray:
    """Returns [L, H, W, 3] uint8 of a texture that drifts, turns brighter and is cut once."""
    random = np.random.default_rng(0)
    patches = random.normal(size=(height // 8 + 1, width // 8 + 1, 3))
    texture = patches.repeat(8, 0).repeat(8, 1)[:height, :width]
    grain = random.normal(0, 0.15, (frames, height, width, 3))
    moved = []
    for t in range(frames):
        # The cut: from the middle on the texture stands on its head.
        if t == frames // 2:
            texture = texture[::-1]
        moved.append(np.roll(texture, (t, 2 * t), (0, 1)))
    brightness = np.arange(frames)[:, None, None, None]
    return np.uint8(np.clip(128 + 40 * (np.stack(moved) + grain) + brightness, 0, 255))


def encode_clip(codec: str, folder: pathlib.Path) -> pathlib.Path | None:
    """Writes the clip in a codec of `CODECS`; None where this build of FFmpeg cannot write it."""
    kind = CODECS[codec]
    path = folder / f"sound{kind.suffix}"
    # Builds of FFmpeg differ in their encoders; a codec without one is left out of the table.
    try:
        av.Codec(kind.encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return None
    clip = textured_clip()
    with av.open(str(path), "w") as container:
        rate = fractions.Fraction(25)
        stream = container.add_stream(kind.encoder, rate=rate, options=kind.options)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = kind.pixels
        for number, image in enumerate(clip):
            if kind.dropped_every and number % kind.dropped_every == kind.dropped_every - 2:
                continue
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(data: bytes, kind: str, random: np.random.Generator) -> bytes:
    """Returns the bytes of a file with one kind of damage, at a random place and of random size."""
    # Sizes are uniform in their logarithm: small damage is as likely as large.
    size = int(np.exp(random.uniform(np.log(16), np.log(len(data) / 5))))
    start = int(random.integers(0, len(data) - size))
    broken = bytearray(data)
    if kind == "cut short":
        return data[: int(random.uniform(0.01, 0.99) * len(data))]
    if kind == "a run lost":
        return data[:start] + data[start + size :]
    if kind == "a run of zeros":
        broken[start : start + size] = bytes(size)
    elif kind == "a run of noise":
        broken[start : start + size] = random.bytes(size)
    elif kind == "flipped bits":
        # 1 to 20 single bits, as memory or a cable may flip them.
        for bit in random.integers(0, 8 * len(data), random.integers(1, 21)):
            broken[bit // 8] ^= 1 << bit % 8
    else:
        start = int(random.integers(0, _HEADER_BYTES))
        broken[start : start + 16] = random.bytes(16)
    return bytes(broken)


def try_codec(codec: str, repeats: int, *, seed: int = 0) -> dict[str, Counter] | None:
    """Decodes `repeats` clips of every kind of damage and counts the outcomes.

    Returns:
      The counts of each kind; None where the codec cannot be written, or the sound clip is
      refused.

    Raises:
      AssertionError: a sound clip between the damaged ones came back otherwise than before.
    """
    random = np.random.default_rng(seed)
    counts = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        sound = encode_clip(codec, pathlib.Path(folder))
        if sound is None:
            return None
        data = sound.read_bytes()
        clips: list[tuple[str, pathlib.Path]] = []
        for kind in KINDS:
            for number in range(repeats):
                path = sound.with_name(f"{kind}-{number}{sound.suffix}")
                path.write_bytes(damaged(data, kind, random))
                clips.append((kind, path))
            # A sound clip behind every kind: damage must not change what is decoded after it.
            clips.append(("", sound))
        # Codecs lose detail, so damaged clips are compared with what the sound clip decodes to.
        (expected,) = guard.read_all_videos([sound])
        if isinstance(expected, VideoError):
            print(f"the sound clip is refused: {expected}")
            return None
        decoded = guard.read_all_videos([path for _, path in clips], limit=LIMIT)
        for (kind, _), frames in zip(clips, decoded, strict=True):
            if kind:
                counts[kind][outcome(frames, expected)] += 1
            elif not np.array_equal(frames, expected):
                raise AssertionError(f"a sound clip, {codec}, was not read as before: {frames!r}")
    return counts


def outcome(frames: np.ndarray | VideoError, expected: np.ndarray) -> str:
    """Returns in a few words what one damaged clip came to."""
    if isinstance(frames, VideoError):
        message = str(frames)
        if "process decoding it ended" in message:
            return "decoder died"
        if "not decoded after" in message:
            return "too slow"
        return "refused"
    if np.array_equal(frames, expected):
        return "same pictures"
    return "other pictures"


def main() -> None:
    """Tries every codec, prints a table and writes it."""
    parser = command_line.parser(__doc__, name="damage")
    parser.add_argument(
        "--each", type=int, default=25, help="clips of each codec and kind of damage"
    )
    options = parser.parse_args()
    codecs = {}
    for codec in CODECS:
        counts = try_codec(codec, options.each)
        if counts is None:
            print(f"{codec}: not tried")
            continue
        print(f"{codec}: {dict(sum(counts.values(), Counter()))}")
        codecs[codec] = {}
        for kind, counter in counts.items():
            codecs[codec][kind] = dict(sorted(counter.items()))
            print(f"  {kind:20s} {codecs[codec][kind]}", flush=True)
    versions = {
        "PyAV": av.__version__,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
    figures = {"device": record.processor(), "versions": versions, "codecs": codecs}
    record.save(options.name, figures, options.out)


if __name__ == "__main__":
    main()
