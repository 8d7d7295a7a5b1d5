"""The summary of tubes holds the numbers of the functions it calls."""

import pytest
from tube_scenes import scenes

from videolstm_jax.measure.frame_ap import frame_aps, frame_map
from videolstm_jax.measure.precision import AVERAGED
from videolstm_jax.measure.tube_errors import tube_recall
from videolstm_jax.measure.tube_summary import tube_summary
from videolstm_jax.measure.video_ap import averaged_video_map, video_aps, video_map


def test_summary_agrees_with_its_parts():
    detections, truth, _ = scenes(3)
    summary = tube_summary(detections, truth)
    assert summary["video_map"]["act"]["0.2"] == pytest.approx(
        video_map(detections, truth, 0.2, style="act")
    )
    assert summary["video_map"]["voc"]["0.5:0.95"] == pytest.approx(
        averaged_video_map(detections, truth)
    )
    assert summary["frame_map"]["act"]["truth"]["0.5"] == pytest.approx(
        frame_map(detections, truth, 0.5, style="act", frames="truth")
    )
    assert summary["per_class"] == {
        str(label): {"0.2": aps[0], "0.5": aps[1]}
        for label, aps in video_aps(detections, truth, [0.2, 0.5]).items()
    }
    assert (
        summary["recall"]["recall"]
        == tube_recall(detections, truth, summary["recall"]["iou"]).tolist()
    )
    assert summary["errors"]["0.5"]["right"] + summary["errors"]["0.5"]["missed"] == len(truth)
    assert summary["frame_per_class"] == {
        str(label): {"0.2": aps[0], "0.5": aps[1]}
        for label, aps in frame_aps(detections, truth, [0.2, 0.5]).items()
    }
    with pytest.raises(ValueError, match="no truth"):
        tube_summary(detections, [])


def test_any_thresholds_styles_and_frames():
    detections, truth, _ = scenes(7)
    summary = tube_summary(
        detections,
        truth,
        thresholds=(0.33, 0.5),
        frame_thresholds=(0.1,),
        class_thresholds=(0.7,),
        styles=("act",),
        frames=("truth",),
        average_frames=True,
    )
    assert summary["video_map"] == {
        "act": {
            **{
                str(iou): pytest.approx(video_map(detections, truth, iou, style="act"))
                for iou in (0.33, 0.5)
            },
            "0.5:0.95": pytest.approx(averaged_video_map(detections, truth, style="act")),
        }
    }
    means = [
        frame_map(detections, truth, iou, style="act", frames="truth") for iou in (0.1, *AVERAGED)
    ]
    assert summary["frame_map"] == {
        "act": {
            "truth": {
                "0.1": pytest.approx(means[0]),
                "0.5:0.95": pytest.approx(sum(means[1:]) / 10),
            }
        }
    }
    assert summary["per_class"] == {
        str(label): {"0.7": pytest.approx(aps[0])}
        for label, aps in video_aps(detections, truth, [0.7], style="act").items()
    }
    assert list(summary["errors"]) == ["0.7"]
    alone = tube_summary(detections, truth, thresholds=())
    assert set(alone) == {"frame_map", "frame_per_class"}
