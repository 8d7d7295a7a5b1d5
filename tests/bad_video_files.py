"""A folder with every sort of file that may lie among videos by mistake."""

import wave

import av
import numpy as np
from PIL import Image
from small_films import smooth

from videolstm_jax.config import RunConfig, change
from videolstm_jax.video import encode


def sound_only(path):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))


def sound_in_a_film(path):
    """A file of a film's format that has a sound stream only."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.rate = 8000
        # The encoder writes what it still holds when it is given None.
        for value in (frame, None):
            container.mux(stream.encode(value))


def truncated(path):
    encode.write_video(path, smooth(30, 24, 32), codec="mjpeg")
    path.write_bytes(path.read_bytes()[:-5000])


def overwritten(path):
    encode.write_video(path, smooth(30, 24, 32), codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = np.random.default_rng(0).bytes(200)
    path.write_bytes(data)


def wrong_extension(path):
    # PIL chooses the format by the extension, so the picture gets its wrong name afterwards.
    Image.new("RGB", (32, 24)).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


BAD = {
    "zero.avi": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("no video" * 99),
    "sound.avi": sound_only,
    "film.mp4": sound_in_a_film,
    "truncated.avi": truncated,
    "overwritten.avi": overwritten,
    "picture.mp4": wrong_extension,
    "one.mp4": lambda path: encode.write_video(path, smooth(1, 24, 32)),
}


def write_folder(folder):
    """Two classes with lists: two good clips in each part, all bad ones in `run`'s test list."""
    for label in ("jump", "run"):
        for k in range(4):
            encode.write_video(folder / "videos" / label / f"{k}.mp4", smooth(4, 24, 32, seed=k))
    for name, make in BAD.items():
        make(folder / "videos" / "run" / name)
    good = {
        part: [f"{label}/{k}.mp4" for label in ("jump", "run") for k in numbers]
        for part, numbers in (("train", (0, 1)), ("test", (2, 3)))
    }
    (folder / "trainlist01.txt").write_text(
        "".join(f"{name} {1 + name.startswith('run')}\n" for name in good["train"])
    )
    (folder / "testlist01.txt").write_text(
        "".join(f"{name}\n" for name in [*good["test"], *(f"run/{name}" for name in BAD)])
    )
    return folder


def settings(folder, work, **more):
    """The configuration that prepares the folder in `work` and skips bad videos."""
    return change(
        RunConfig(workdir=str(work)),
        data__videos=str(folder),
        data__on_bad_video="skip",
        **{"flow__width": 16, "flow__height": 12, "flow__bound": 2.0, "flow__image": "png", **more},
    )
