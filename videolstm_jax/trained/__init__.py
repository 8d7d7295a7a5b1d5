"""A trained model as one object, read from a work folder or a bundle, and the stream it reads."""
