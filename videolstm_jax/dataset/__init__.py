"""From folders, lists or tensorflow-datasets to the listed videos and their parts."""
