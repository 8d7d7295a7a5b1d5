"""Measures of classes, tubes and fusions: numpy and scipy in, numbers out, JAX never started."""
