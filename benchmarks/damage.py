"""Damages clips of several codecs in several ways, and counts what decoding in worker processes
makes of them.

A damaged clip is refused, or gives the same pictures as before, or gives other pictures without a
complaint. The last are the ones to know about: no stage can see them.
"""

import argparse
import fractions
import pathlib
import tempfile
from collections import Counter

import av
import numpy as np

from benchmarks import record
from videolstm_jax.errors import VideoError
from videolstm_jax.video import guard

CODECS = {
    "H.264, mp4": ("libx264", "yuv420p", ".mp4", {"preset": "veryfast", "g": "12"}),
    "H.264, mkv": ("libx264", "yuv420p", ".mkv", {"preset": "veryfast", "g": "12"}),
    "MPEG-4 (XviD), avi": ("mpeg4", "yuv420p", ".avi", {"g": "12", "bf": "2"}),
    "MJPEG, avi": ("mjpeg", "yuvj420p", ".avi", {}),
    "VP9, webm": (
        "libvpx-vp9",
        "yuv420p",
        ".webm",
        {"g": "12", "cpu-used": "8", "deadline": "realtime"},
    ),
    "AV1, mp4": ("libsvtav1", "yuv420p", ".mp4", {"g": "12", "preset": "12"}),
}
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


def clip(frames: int = 40, width: int = 128, height: int = 96) -> np.ndarray:
    """Frames [L, H, W, 3] uint8 of a texture that drifts, turns brighter and is cut once."""
    random = np.random.default_rng(0)
    texture = (
        random.normal(size=(height // 8 + 1, width // 8 + 1, 3))
        .repeat(8, 0)
        .repeat(8, 1)[:height, :width]
    )
    grain = random.normal(0, 0.15, (frames, height, width, 3))
    moved = [
        np.roll(texture if t < frames // 2 else texture[::-1], (t, 2 * t), (0, 1))
        for t in range(frames)
    ]
    return np.uint8(
        np.clip(
            128 + 40 * (np.stack(moved) + grain) + np.arange(frames)[:, None, None, None], 0, 255
        )
    )


def encoded(codec: str, folder: pathlib.Path) -> pathlib.Path | None:
    """The clip in a codec of `CODECS`; None where this build of FFmpeg cannot write it."""
    encoder, pixels, suffix, options = CODECS[codec]
    path = folder / f"sound{suffix}"
    try:
        av.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return None
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=fractions.Fraction(25), options=options)
        stream.height, stream.width = clip().shape[1:3]
        stream.pix_fmt = pixels
        for image in clip():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def damaged(data: bytes, kind: str, random: np.random.Generator) -> bytes:
    """The bytes of a file with one kind of damage, at a random place and of a random size."""
    size = int(np.exp(random.uniform(np.log(16), np.log(len(data) / 5))))
    at = int(random.integers(0, len(data) - size))
    broken = bytearray(data)
    if kind == "cut short":
        return data[: int(random.uniform(0.01, 0.99) * len(data))]
    if kind == "a run lost":
        return data[:at] + data[at + size :]
    if kind == "a run of zeros":
        broken[at : at + size] = bytes(size)
    elif kind == "a run of noise":
        broken[at : at + size] = random.bytes(size)
    elif kind == "flipped bits":
        for place in random.integers(0, 8 * len(data), random.integers(1, 21)):
            broken[place // 8] ^= 1 << place % 8
    else:
        at = int(random.integers(0, 400))
        broken[at : at + 16] = random.bytes(16)
    return bytes(broken)


def tried(codec: str, each: int, *, seed: int = 0) -> dict[str, Counter] | None:
    """What came of `each` clips of every kind of damage; None where the codec cannot be written.

    Raises:
      AssertionError: a sound clip between the damaged ones came back otherwise than before.
    """
    random = np.random.default_rng(seed)
    counts = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        sound = encoded(codec, pathlib.Path(folder))
        if sound is None:
            return None
        data = sound.read_bytes()
        paths: list[tuple[str, pathlib.Path]] = []
        for kind in KINDS:
            for number in range(each):
                path = sound.with_name(f"{kind}-{number}{sound.suffix}")
                path.write_bytes(damaged(data, kind, random))
                paths.append((kind, path))
            paths.append(("", sound))
        (expected,) = guard.read_all([sound])
        for (kind, _), found in zip(
            paths, guard.read_all([path for _, path in paths], limit=LIMIT), strict=True
        ):
            if kind:
                counts[kind][outcome(found, expected)] += 1
            elif not np.array_equal(found, expected):
                raise AssertionError(f"a sound clip, {codec}, was not read as before: {found!r}")
    return counts


def outcome(found: np.ndarray | VideoError, expected: np.ndarray) -> str:
    """What one damaged clip came to."""
    if isinstance(found, VideoError):
        return (
            "decoder died"
            if "process decoding it ended" in str(found)
            else "too slow"
            if "not decoded after" in str(found)
            else "refused"
        )
    return "same pictures" if np.array_equal(found, expected) else "other pictures"


def main() -> None:
    """Tries every codec, prints a table and writes benchmarks/results/damage.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--each", type=int, default=25, help="clips of each codec and kind of damage"
    )
    args = parser.parse_args()
    found = {}
    for codec in CODECS:
        counts = tried(codec, args.each)
        if counts is None:
            print(f"{codec}: cannot be written here")
            continue
        found[codec] = {kind: dict(sorted(counter.items())) for kind, counter in counts.items()}
        print(f"{codec}: {dict(sum(counts.values(), Counter()))}")
        for kind, counter in found[codec].items():
            print(f"  {kind:20s} {counter}", flush=True)
    versions = {
        "PyAV": av.__version__,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
    record.save("damage", {"versions": versions, "codecs": found})


if __name__ == "__main__":
    main()
