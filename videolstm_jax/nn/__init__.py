"""Flax modules and weight files: the VGG backbone, its weights, and the cells as a module."""
