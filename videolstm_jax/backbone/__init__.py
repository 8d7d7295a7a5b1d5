"""The image network of a stream: where it starts, its training read back, its trained block."""
