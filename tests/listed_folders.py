"""Folders of empty files beside lists of UCF101 and HMDB51, and the videos chosen there."""

import warnings
from collections import Counter

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos

UCF101, HMDB51 = "ucfTrainTestlist", "testTrainMulti_7030_splits"


def touched(root, files):
    """A folder with these empty files, whose content no list needs."""
    for folder in {file.rsplit("/", 1)[0] for file in files if "/" in file}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        (root / file).touch()
    return root


def chosen(root, **settings):
    """The videos that a folder with lists gives; a warning fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list_videos(DataConfig(videos=str(root), **settings))


def parts(choice):
    """The number of videos in each part, such as `train`."""
    return Counter(video.part for video in choice.videos)
