"""Measures of classes, tubes and fusions, with numpy and scipy only: JAX is never started."""
