"""Small tubes and random scenes of them, shared by the tests of measures."""

import numpy as np

from videolstm_jax.types import Detection, Tube

BOX = [0.0, 0, 10, 10]
HALF = [0.0, 0, 10, 5]  # IoU .5 with BOX
FAR = [50.0, 50, 60, 60]


def tube(box, start=0, frames=4):
    return Tube(start, np.tile(np.asarray(box, float), (frames, 1)))


def scored_tube(video, score, box=BOX, label=0, **where):
    return Detection(video, label, score, tube(box, **where))


def scenes(seed: int):
    """Detections with many ties and near misses, and the truth, of three classes in four videos."""
    generator = np.random.default_rng(seed)

    def some(count, scored):
        corner = generator.integers(0, 3, (count, 2)) * 4
        size = generator.integers(6, 12, (count, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        return [
            Detection(
                f"v{generator.integers(4)}",
                int(generator.integers(3)),
                generator.integers(1, 5) / 4 if scored else 1.0,
                tube(box, int(generator.integers(3)), int(generator.integers(1, 6))),
            )
            for box in boxes
        ]

    return (
        some(int(generator.integers(1, 30)), True),
        some(int(generator.integers(1, 12)), False),
        generator,
    )


def rows_of(detections):
    """Detections as tuples that compare by value: video, label, score, first frame and boxes."""
    return [
        (
            detection.video,
            detection.label,
            detection.score,
            detection.tube.start,
            detection.tube.boxes.tolist(),
        )
        for detection in detections
    ]
