"""The true tubes of the videos of a data set: its labels, its frames, and what does not fit it."""

import pytest
from annotated_videos import ANNOTATED, true_tube

from videolstm_jax.annotations.ground_truth import true_tubes_of_listed_videos
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import scan
from videolstm_jax.errors import FileError
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import decode


def dataset(**changed):
    row = {
        "path": "",
        "label": 0,
        "part": "test",
        "group": "g",
        "frames": 6,
        "width": 64,
        "height": 48,
        "fps": 25.0,
    }
    return Dataset(
        ("b", "c", "a"), (Video("b/y", **{**row, **changed}), Video("c/z", **{**row, "label": 1}))
    )


def test_tubes_take_the_labels_of_the_data_set():
    tubes = true_tubes_of_listed_videos("t", ANNOTATED, dataset())
    assert [(detection.video, detection.label, detection.tube.start) for detection in tubes] == [
        ("b/y", 0, 0),
        ("b/y", 0, 4),
    ]
    assert [
        len(detection.tube.boxes)
        for detection in true_tubes_of_listed_videos("t", ANNOTATED, dataset(frames=5), cut=True)
    ] == [2, 1]
    assert len(true_tubes_of_listed_videos("t", ANNOTATED, dataset(frames=3), cut=True)) == 1


@pytest.mark.parametrize(
    ("annotated", "videos", "message"),
    [
        (
            ANNOTATED,
            dataset(frames=5),
            "a tube of b/y goes from frame 4 to 5; expected frames 0 to 4",
        ),
        (ANNOTATED, dataset(width=320), r"are of \(64, 48\) pixels; the video has \(320, 48\)"),
        (ANNOTATED._replace(sizes={}), dataset(width=20), "leaves the frame of 20 x 48"),
        (
            ANNOTATED._replace(classes=("a", "B")),
            dataset(),
            "has class B; expected one of the 3 classes",
        ),
        (
            ANNOTATED._replace(classes=(), tubes=[true_tube(label=3)]),
            dataset(),
            "has label 3; expected 0 to 2",
        ),
        (ANNOTATED._replace(classes=("a",)), dataset(), "has label 1; expected 0 to 0"),
        (
            ANNOTATED._replace(tubes=[true_tube("q/q")]),
            dataset(),
            "none of its 3 videos is one of the 2 listed",
        ),
    ],
)
def test_tubes_that_do_not_fit_the_videos(annotated, videos, message):
    with pytest.raises(FileError, match=message):
        true_tubes_of_listed_videos("t", annotated, videos)


def test_real_clips_take_boxes_from_the_corrected_annotations(real_data, tmp_path):
    classes = ("ApplyEyeMakeup", "BasketballDunk", "Punch", "SoccerJuggling")
    clips = sorted((real_data / "ucf101_clips").glob("*.avi"))
    videos = Dataset(
        classes,
        tuple(
            Video(
                f"{name}/{clip.stem}",
                str(clip),
                number,
                "test",
                "g",
                *decode.probe_video(clip)[:3],
                25.0,
            )
            for number, (name, clip) in enumerate(zip(classes, clips, strict=True))
        ),
    )
    settings = {"videos": str(tmp_path), "boxes": str(real_data / "ucf24_annots" / "pyannot.pkl")}
    tubes = scan.read_dataset_true_tubes(DataConfig(**settings), videos)
    assert [
        (videos.classes[detection.label], detection.tube.start, len(detection.tube.boxes))
        for detection in tubes
    ] == [
        ("BasketballDunk", 16, 40),
        ("SoccerJuggling", 0, 240),
    ]
    assert len(scan.read_dataset_true_tubes(DataConfig(**settings, max_frames=30), videos)) == 2
    with pytest.raises(FileError, match=r"data\.fps 0"):
        scan.read_dataset_true_tubes(DataConfig(**settings, fps=5.0), videos)
    with pytest.raises(FileError, match=r"data\.boxes is .*nowhere, which is not there"):
        scan.read_dataset_true_tubes(DataConfig(**{**settings, "boxes": "nowhere"}), videos)
