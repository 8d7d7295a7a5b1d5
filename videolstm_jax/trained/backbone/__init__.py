"""The image network of a stream: read back, started, and with the stores of its features."""
