"""Runs the backbones over all frames of all videos, and writes what they give to feature stores."""
