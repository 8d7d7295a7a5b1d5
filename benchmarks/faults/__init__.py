"""Trials of faults: kills, signals, full disks and damaged files, on a small pipeline."""
