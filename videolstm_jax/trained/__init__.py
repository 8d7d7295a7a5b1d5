"""A trained model as one object, from the work folder or from a folder of its own, and the stream
it reads.
"""
