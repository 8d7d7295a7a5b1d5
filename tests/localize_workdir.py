"""A work folder with the attention and scores of videos in which a square goes left or right."""

import numpy as np

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.localize.baselines import box_coverage_of_cells
from videolstm_jax.types import Dataset, Detection, Tube, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import save_detections

CLASSES = ("Left", "Right")
# Frames of a video; its height and width in pixels; cells on a side of an attention map.
FRAMES, SIZE, CELLS = 12, (60, 80), 7


def true_tube(label, shift=0.0):
    """A square of 24 pixels that walks left or right over frames 2 to 10."""
    walk = np.linspace(0, 50, 9) if label else np.linspace(50, 0, 9)
    low = np.stack([walk + shift, np.full(9, 18.0)], axis=1)
    return Tube(2, np.concatenate([low, low + 24], axis=1))


def listed_video(name, label, part):
    """The row of a video in the list of the data set."""
    return Video(name, f"{name}.avi", label, part, "g", FRAMES, SIZE[1], SIZE[0], 25.0)


def attention_of(tube):
    """Maps [L, N, N] that lie on the boxes of a true tube, and on the first before it starts."""
    boxes = np.concatenate([np.repeat(tube.boxes[:1], 2, 0), tube.boxes])
    maps = box_coverage_of_cells(boxes, SIZE, CELLS) + 1e-3
    return (maps / maps.sum(axis=(1, 2), keepdims=True)).astype(np.float32)


def frame_scores(label):
    """Scores [L - 1, C] in which one class has 0.8 in every frame."""
    rows = np.full((FRAMES - 1, 2), 0.2, np.float32)
    rows[:, label] = 0.8
    return rows


def write_work(root):
    """Two training videos and four test videos of which three have truth."""
    folder = Workdir(str(root))
    videos = []
    for part, count in (("train", 2), ("test", 4)):
        for k in range(count):
            videos.append(listed_video(f"{CLASSES[k % 2]}/{part}{k}", k % 2, part))
    save_dataset(folder.dataset, Dataset(CLASSES, tuple(sorted(videos))))
    truth = [
        Detection(listed.name, listed.label, 1.0, true_tube(listed.label))
        for listed in videos
        if listed.name != "Right/test3"
    ]
    save_detections(folder.truth, truth)
    for listed in videos:
        if listed.part == "test":
            files.write_arrays(
                folder.evaluated_video("videolstm-rgb", listed.name),
                scores=frame_scores(listed.label),
                attention=attention_of(true_tube(listed.label)),
            )
    return folder


def config(work, **settings):
    """The configuration of `localize`, with little smoothing because the maps are small."""
    return change(RunConfig(workdir=work.root), localize__sigma=6.0, localize__span=5, **settings)
