"""Video files in and out: decoding, encoding, and the signs of damage."""
