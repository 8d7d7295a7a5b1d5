"""The summaries map.json and pooled.json as plain text, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videolstm_jax.measure.intervals import wilson_interval


def pooled_localization_text(summary: Mapping[str, Any]) -> str:
    """The attention, the model and the baselines, one line each.

    Args:
      summary: the content of map.json.
    """
    attention = summary["attention"]
    # Of the attention first: uniform maps explain bad boxes, whatever the measures below say.
    entropy, peak = attention["entropy"], attention["peak"]
    full_frame = 100 * attention["full_frame_boxes"]
    lines = [
        f"localize: attention entropy {entropy:.3f} of the largest possible, peak {peak:.3f}, "
        f"{full_frame:.1f} % full-frame boxes"
    ]
    if attention["warning"]:
        lines.append(f"localize: warning: {attention['warning']}")
    if summary["model"] is None:
        lines.append("localize: no true boxes for the test videos, so nothing is measured")
        return "\n".join(lines)
    lines.append(f"localize: {'':<18} {'frame IoU':>9} {'video-mAP .2':>12} {'.5':>6}")
    # The model first, since the baselines are read as what it is compared with.
    for name, row in {"model": summary["model"], **summary["baselines"]}.items():
        frame_iou = row["mean_frame_iou"]["value"]
        video_map = row["video_map"]["voc"]
        lines.append(
            f"localize: {name:<18} {frame_iou:>9.3f} {video_map['0.2']:>12.3f} "
            f"{video_map['0.5']:>6.3f}"
        )
    return "\n".join(lines)


def pooled_text(summary: Mapping[str, Any]) -> str:
    """The pooled counts and overlaps as a plain table.

    Args:
      summary: the content of pooled.json.
    """
    lines = [f"{'':24s} {'right':>11s}  {'accuracy':>8s}  {'95 % interval':>14s}  each part"]
    for name, row in summary["accuracy"].items():
        lines += _accuracy_lines(name, row)
    for name, row in summary["localization"].items():
        lines += _overlap_lines(name, row)
    return "\n".join(lines)


def _accuracy_lines(name: str, row: Mapping[str, Any]) -> list[str]:
    share = wilson_interval(row["right"], row["videos"])
    # Each part too: the accuracy of all hides one that went wrong.
    shares = []
    for right, videos in row["parts"]:
        shares.append(f"{right / videos:.1%}")
    of_parts = " ".join(shares)
    lines = [
        f"{name:24s} {row['right']:5d}/{row['videos']:<5d}  {share.value:8.1%}  "
        f"{share.low:6.1%} {share.high:6.1%}  {of_parts}"
    ]
    if row.get("trained_on"):
        lines.append(f"{'':24s} trained on {row['trained_on']} of these videos")
    return lines


def _overlap_lines(name: str, row: Mapping[str, Any]) -> list[str]:
    overlap = row["model"]
    lines = [
        f"\n{name}: frame IoU {overlap['value']:.3f} ({overlap['low']:.3f} to "
        f"{overlap['high']:.3f}), attention in the true box {row['mass_inside_truth']:.3f}, "
        f"its share of the frame {row['area_of_truth']:.3f}"
    ]
    for baseline, measures in row["baselines"].items():
        minus = measures["minus"]
        lines.append(
            f"  {baseline:22s} {measures['value']:.3f}   model minus baseline "
            f"{minus['value']:+.3f} ({minus['low']:+.3f} to {minus['high']:+.3f})"
        )
    return lines
