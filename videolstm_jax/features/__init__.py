"""Features on disk: one file of frame records a video, written, read, checked, halved, imported."""
