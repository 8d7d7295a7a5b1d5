"""Readers of pickles, MATLAB and PyTorch files that never run anything a file names."""
