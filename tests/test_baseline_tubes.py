"""Every baseline of one video, made with the pipeline under test."""

import numpy as np

from videolstm_jax.localize.baseline_tubes import FRACTIONS, UPPER_BOUNDS, baseline_tubes
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.types import Tube


def test_all_baselines_of_one_video():
    truth = [
        Tube(3, np.tile([40.0, 30, 120, 150], (10, 1))),
        Tube(0, np.tile([0.0, 0, 9, 9], (2, 1))),
    ]
    size, frames = (240, 320), 20

    def pipeline(attention):
        return video_tube(attention, size, frames)

    flow = np.full((frames - 1, 7, 7), 1 / 49)
    tubes = baseline_tubes(
        truth, size, frames, 7, pipeline, flow=flow, train_box=np.array([0.25, 0, 0.75, 1])
    )
    assert set(tubes) == {
        *(f"centred {fraction}" for fraction in FRACTIONS),
        "full_frame",
        "uniform_attention",
        "mean_train_box",
        "flow_magnitude",
        *UPPER_BOUNDS,
    }
    assert tubes["perfect_tube"] is truth[0]
    assert {len(tube.boxes) for name, tube in tubes.items() if name != "perfect_tube"} == {frames}
    np.testing.assert_array_equal(
        tubes["perfect_box"].boxes, np.tile(truth[0].boxes[0], (frames, 1))
    )
    np.testing.assert_allclose(tubes["mean_train_box"].boxes[0], [80, 0, 240, 240])
    ideal = tubes["ideal_attention"].boxes
    np.testing.assert_allclose(
        ideal[0], ideal[5], atol=1e-6
    )  # held where the longest true tube is not
    assert np.abs(ideal[5] - truth[0].boxes[0]).max() < 40  # within a cell of the truth
    assert "flow_magnitude" not in baseline_tubes(truth, size, frames, 7, pipeline)
