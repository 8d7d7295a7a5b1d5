"""Durations and sizes as a person reads them."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Formats a duration in seconds, minutes, hours or days."""
    # Each unit lasts until it has two or three digits: "95 s" and "90 min" say more than "1.5 h".
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 360_000:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.0f} days"


def size_text(count: float) -> str:
    """Formats a number of bytes in MB or GB."""
    if count < 1e9:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:.1f} GB"
