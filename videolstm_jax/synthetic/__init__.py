"""The built-in data set, stick actions: stick figures that perform eight actions."""
