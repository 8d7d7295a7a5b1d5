"""Locks: one process at a time writes a folder, on a disk or in a bucket."""
