"""Paths of a work folder, and the files in it that several stages share."""
