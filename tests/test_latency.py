"""Times by stage: medians and tails of the frames that are counted."""

import re

import numpy as np

from videolstm_jax.report.latency import RECENT_FRAMES, WARM_UP, Latency


def test_medians_without_the_frames_that_compile():
    latency = Latency()
    for _ in range(WARM_UP):
        latency.add({"flow": 100.0})
    times = np.random.default_rng(0).uniform(0.01, 0.02, 60)
    for seconds in times:
        latency.add({"flow": seconds, "step": 0.001})
    report_text = latency.table()
    assert "last 60 frames" in report_text
    for stage, values in (("flow", times), ("step", np.full(60, 0.001)), ("all", times + 0.001)):
        median, most = map(float, re.search(rf"  {stage} +(\S+) +(\S+)", report_text).groups())
        np.testing.assert_allclose(
            (median, most), 1000 * np.percentile(values, (50, 95)), atol=0.0051
        )


def test_only_the_last_frames_are_kept():
    latency = Latency()
    for number in range(WARM_UP + 3 * RECENT_FRAMES):
        latency.add({"flow": 1.0 if number < WARM_UP + 2 * RECENT_FRAMES else 0.002})
    assert f"last {RECENT_FRAMES} frames" in latency.table()
    assert re.search(r"  flow +2\.00 +2\.00", latency.table())


def test_too_few():
    latency = Latency()
    latency.add({"flow": 1.0})
    assert latency.table() == "1 frames are too few to time: the first 2 compile"
