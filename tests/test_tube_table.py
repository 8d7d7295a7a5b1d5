"""The table of a summary shows its numbers."""

from tube_scenes import scenes

from videolstm_jax.measure.tube_summary import tube_summary
from videolstm_jax.measure.tube_table import tube_measure_table


def test_every_number_is_there():
    detections, truth, _ = scenes(3)
    summary = tube_summary(
        detections, truth, thresholds=(0.25, 0.75), class_thresholds=(0.1,), average_frames=True
    )
    labels = sorted({true.label for true in truth})
    table = tube_measure_table(summary, {label: (f"Class{label}", 3) for label in labels})
    lines = {
        line.split("  ")[1].strip() if line.startswith("  ") else line.split("  ")[0]: line
        for line in table.splitlines()
        if line
    }
    assert lines["video-mAP at IoU"].split()[-3:] == ["0.25", "0.75", ".5:.95"]
    assert lines["act"].split()[1:] == [
        f"{100 * summary['video_map']['act'][iou]:.2f}" for iou in ("0.25", "0.75", "0.5:0.95")
    ]
    mean = summary["frame_map"]["voc"]["truth"]["0.5:0.95"]
    assert lines["voc, frames with truth"].split()[-1] == f"{100 * mean:.2f}"
    assert lines["at IoU 0.1"].split()[3:] == [
        str(count) for count in summary["errors"]["0.1"].values()
    ]
    for label in labels:
        assert lines[f"Class{label}"].split() == [
            f"Class{label}",
            "3",
            *(
                f"{100 * value:.2f}"
                for value in (
                    summary["per_class"][str(label)]["0.1"],
                    *summary["frame_per_class"][str(label)].values(),
                )
            ),
        ]
    assert len({len(line) for name, line in lines.items() if name.startswith("Class")}) == 1


def test_boxes_of_frames_alone():
    detections, truth, _ = scenes(5)
    summary = tube_summary(detections, truth, thresholds=(), frames=("truth",), styles=("act",))
    table = tube_measure_table(summary, {true.label: ("x", 1) for true in truth})
    assert "video-mAP" not in table and "act, frames with truth" in table and "frame 0.5" in table
