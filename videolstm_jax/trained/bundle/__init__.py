"""A trained model as a folder of its own, which another machine loads: written and read."""
