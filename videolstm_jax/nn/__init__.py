"""Flax modules: the VGG below the recurrent cells, and the cells as a module."""
