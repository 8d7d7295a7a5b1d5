"""Which names of files are those of videos, and which names of classes a work folder can hold."""

from __future__ import annotations

import re

from videolstm_jax.errors import FileError
from videolstm_jax.files import LONGEST_NAME


def _suffixes(names: str) -> tuple[str, ...]:
    """The names of a string, each with a dot before it."""
    return tuple(f".{name}" for name in names.split())


VIDEO_SUFFIXES = _suffixes("""
    3g2 3gp amv asf avi divx dv f4v flv gif ivf m1v m2t m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpe mpeg
    mpg mpv mts mxf nut ogm ogv qt rm rmvb ts vob webm wmv wtv xvid y4m
""")
"""Ends of names that are taken for videos without a look at the content."""

TEXT_SUFFIXES = _suffixes("ts mts")
"""Video suffixes that TypeScript has too; a file that begins with text is none of our videos."""

_TEXTS_AND_TABLES = """
    ass bib cfg cff csv doc docx eaf html ini ipynb json jsonl log lock md nfo odt pdf ppt pptx rst
    rtf srt sub toml tsv txt url vtt xgtf xls xlsx xml yaml yml
"""
_PICTURES = "bmp heic ico jp2 jpeg jpg png psd pnm pgm ppm svg tga thm tif tiff webp"
_SOUND = "aac ac3 aif aiff flac m4a mid mp3 oga ogg opus wav wma"
_ARRAYS = "ckpt h5 hdf5 mat npy npz onnx parquet pickle pkl pt pth safetensors tfrecord"
_PROGRAMS_AND_ARCHIVES = """
    7z bat c cpp db dll exe gz js lnk m py pyc rar sh so tar tgz xz zip
"""
# FFmpeg would follow a playlist to other files.
_PLAYLISTS = "concat ffconcat m3u m3u8 mpd pls sdp xspf"
# Small copies that cameras make, checksums, and downloads that did not end.
_SIDECARS = "aria2 bak crdownload download lrv md5 modd moff part sha1 sha256 tmp xmp ytdl"
_OTHER = (
    _TEXTS_AND_TABLES,
    _PICTURES,
    _SOUND,
    _ARRAYS,
    _PROGRAMS_AND_ARCHIVES,
    _PLAYLISTS,
    _SIDECARS,
)
OTHER_SUFFIXES = frozenset(_suffixes(" ".join(_OTHER)))
"""Ends of names that are passed over without a look at the content."""

_SYSTEM_FOLDERS = frozenset(
    ("__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information", "lost+found")
)
# A label names a folder of flow, features and results, in which these are the files of the stages.
_RESERVED = frozenset(("index.json", "settings.json"))


def video_extension(path: str) -> str:
    """The suffix as it is written, empty where it is not one of a video."""
    suffix = video_suffix(path)
    if suffix not in VIDEO_SUFFIXES:
        return ""
    # As it is written, in capitals too, so that it can be taken off the name.
    return path[-len(suffix) :]


def without_video_extension(path: str) -> str:
    """The path without its suffix, where that is one of a video."""
    return path.removesuffix(video_extension(path))


def video_suffix(path: str) -> str:
    """The end of a name from its last dot, in small letters; empty where there is no dot."""
    name = path.rsplit("/", 1)[-1]
    dot = name.rfind(".")
    if dot < 0:
        return ""
    return name[dot:].lower()


def is_passed_over_video_name(name: str) -> bool:
    """Whether a file or folder is hidden or of an operating system, such as `__MACOSX`."""
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def check_class_label(label: str, where: str) -> None:
    """Refuses a label that could not be a folder of results.

    Args:
      label: the name of a class.
      where: the line or the folder that it comes from.

    Raises:
      FileError: an empty label, one with a slash or a control character, one that begins with a
        dot, that is too long, or that is the name of a file of the stages.
    """
    problem = ""
    if not label:
        problem = "it is empty"
    elif re.search(r"[/\\]", label):
        problem = "it has a slash"
    elif not label.isprintable():
        # Also lone surrogates, which stand for bytes that are not UTF-8.
        problem = "it has a character that cannot be printed"
    elif label.startswith("."):
        problem = "it begins with a dot"
    elif label.casefold() in _RESERVED:
        problem = "a file of the work folder has this name"
    elif len(label.encode()) > LONGEST_NAME:
        problem = f"it has {len(label.encode())} bytes, more than {LONGEST_NAME}"
    if problem:
        shown = label if len(label) <= 40 else f"{label[:40]}.."
        raise FileError(
            f"{where}: label {shown!r}: {problem}; expected a name that a folder can have"
        )


def check_stem(stem: str, path: object) -> None:
    """Raises FileError where the name of a video cannot be the name of its results.

    Python keeps bytes that are not UTF-8 as lone surrogates, which no JSON file could hold.
    """
    encoded = stem.encode("utf-8", "ignore")
    problem = ""
    if encoded.decode() != stem:
        # `repr`, since a message with such bytes could not be printed.
        problem = f"{str(path)!r}: the name is not UTF-8; expected one that is (HMDB51's lists "
        problem += "have _ there)"
    elif len(encoded) > LONGEST_NAME:
        problem = f"{path}: the name has {len(encoded)} bytes; expected at most "
        problem += f"{LONGEST_NAME}, since the files of results have longer ones"
    if problem:
        raise FileError(problem)
