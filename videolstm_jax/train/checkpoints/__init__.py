"""Checkpoints of a training: written, described, and checked bit by bit when they are read."""
