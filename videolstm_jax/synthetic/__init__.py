"""The built-in data set: stick figures that perform eight actions."""
