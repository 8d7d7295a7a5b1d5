"""Improved dense trajectories (Wang and Schmid 2013): computed, written and read."""
