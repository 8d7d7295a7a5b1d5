"""Files of class scores from any system: read, checked, joined by video, and imported."""
