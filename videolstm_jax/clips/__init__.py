"""Which frames are read: clips to train on, segments and whole videos to score, single images."""
