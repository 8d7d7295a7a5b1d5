"""The video files of a folder: which files are videos, and the class that each one lies in."""
