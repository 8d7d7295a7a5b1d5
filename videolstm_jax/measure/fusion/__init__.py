"""Class scores of several models: their kinds, how they are fused, and the search of weights."""
