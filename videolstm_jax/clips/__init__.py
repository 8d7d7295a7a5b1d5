"""Which frames a model reads: batches of clips to train on, segments and whole videos to score,
images for ConvNets.
"""
