"""Video files in and out: decoding, encoding, and the flow images kept beside them."""
