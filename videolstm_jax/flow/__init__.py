"""Optical flow, and flow as images."""
