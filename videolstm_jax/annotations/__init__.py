"""Readers of ground-truth boxes and of detections, and the records that all of them fill."""
