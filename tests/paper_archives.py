"""Small stand-ins of UCF101 and HMDB51: class folders, lists of three splits, UCF101-24 boxes."""

import pickle

import numpy as np
from short_pipeline import SHORT

from videolstm_jax.annotations.ucf24 import UCF24_CLASSES
from videolstm_jax.paper.request import paper_request_of
from videolstm_jax.presets import configured
from videolstm_jax.video import encode

UCF101_CLASSES = ("Basketball", "Biking")
HMDB51_CLASSES = ("clap", "wave")
FRAMES = 9
_SIDE = 60
# Sizes of the shortest pipeline, for the presets of the paper's size.
SETTINGS = {
    **SHORT,
    "train__steps": 3,
    "convnet__steps": 3,
    "convnet__weights": "random",
    "idt__length": 4,
    "idt__scales": 1,
    "idt__spacing": 10,
    "idt__components": 2,
    "idt__samples": 200,
    "objects__stride": 4,
}


def _film(seed, direction):
    """A texture that moves right or down over noise: frames [L, 240, 320, 3], boxes [L, 4]."""
    generator = np.random.default_rng(seed)
    still = generator.integers(0, 90, (240, 320, 3), np.uint8)
    # Patches of 4 pixels, which a tracker can follow.
    patches = generator.integers(120, 255, (_SIDE // 4, _SIDE // 4, 3), np.uint8)
    texture = patches.repeat(4, axis=0).repeat(4, axis=1)
    frames, boxes = np.repeat(still[None], FRAMES, axis=0), []
    for index in range(FRAMES):
        x, y = 40 + 4 * index * direction, 40 + 4 * index * (1 - direction)
        frames[index, y : y + _SIDE, x : x + _SIDE] = texture
        boxes.append([x, y, _SIDE, _SIDE])
    return frames, np.array(boxes, np.uint16)


def write_ucf101(root):
    """UCF-101/ with four groups of two classes, ucfTrainTestlist/ beside it, and pyannot.pkl."""
    videos, lists, annotated = root / "UCF-101", root / "ucfTrainTestlist", {}
    lists.mkdir(parents=True)
    rows = [f"{number} {name}\n" for number, name in enumerate(UCF101_CLASSES, 1)]
    (lists / "classInd.txt").write_text("".join(rows))
    for split in (1, 2, 3):
        parts = {"train": "", "test": ""}
        for number, name in enumerate(UCF101_CLASSES, 1):
            for group in (1, 2, 3, 4):
                stem = f"{name}/v_{name}_g0{group}_c01"
                part = "test" if group == split else "train"
                # Lists of the test videos have no numbers of classes.
                label = f" {number}" if part == "train" else ""
                parts[part] += f"{stem}.avi{label}\n"
        for part, text in parts.items():
            (lists / f"{part}list0{split}.txt").write_text(text)
    for number, name in enumerate(UCF101_CLASSES):
        for group in (1, 2, 3, 4):
            stem = f"{name}/v_{name}_g0{group}_c01"
            frames, boxes = _film(10 * number + group, number)
            encode.write_video(videos / f"{stem}.avi", frames, codec="mjpeg")
            tube = {
                "label": UCF24_CLASSES.index(name),
                "sf": 0,
                "ef": FRAMES,
                "boxes": boxes,
            }
            annotated[stem] = {"numf": FRAMES, "annotations": [tube]}
    (root / "pyannot.pkl").write_bytes(pickle.dumps(annotated, protocol=2))
    return videos


def write_hmdb51(root):
    """hmdb51_org/ with four films of two classes, and the lists of three splits beside it."""
    videos, lists = root / "hmdb51_org", root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for number, name in enumerate(HMDB51_CLASSES):
        stems = [f"film{film}_{name}_f_nm_np1_fr_med_0" for film in range(4)]
        for film, stem in enumerate(stems):
            frames, _ = _film(100 * (number + 1) + film, 1 - number)
            encode.write_video(videos / name / f"{stem}.avi", frames, codec="mjpeg")
        for split in (1, 2, 3):
            text = ""
            for film, stem in enumerate(stems):
                # 1 is the training list, 2 the test list, 0 neither.
                part = {split: 2, (split + 1) % 4: 0}.get(film, 1)
                text += f"{stem}.avi {part} \n"
            (lists / f"{name}_test_split{split}.txt").write_text(text)
    return videos


def request(root, preset="paper", settings=None, **options):
    """A request on the stand-ins below a folder, with the work folder beside them."""
    cfg = configured(
        preset,
        workdir=str(root / "work"),
        data__videos=str(root / "UCF-101"),
        data__boxes=str(root / "pyannot.pkl"),
        **{**SETTINGS, **(settings or {})},
    )
    videos = {"ucf101": str(root / "UCF-101"), "hmdb51": str(root / "hmdb51_org")}
    return paper_request_of(cfg, videos=videos, **options)
