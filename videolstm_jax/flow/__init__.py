"""Optical flow: the method TV-L1, batches over many videos, and flow as images."""
