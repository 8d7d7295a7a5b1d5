"""True boxes and other people's detections: readers of every known form, and the one form all
become.
"""
