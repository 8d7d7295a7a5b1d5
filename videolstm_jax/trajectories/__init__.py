"""Improved dense trajectories (Wang and Schmid 2013): computed, written and read.

In this package L is the length of a trajectory, 15 frames, and W the distance of two new points,
as in that paper.
"""
