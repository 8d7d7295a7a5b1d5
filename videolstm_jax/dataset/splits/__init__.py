"""The parts of a data set (train, valid, test), and the groups of videos that stay in one part."""
