"""Classification without a network: PCA, Gaussian mixtures, Fisher vectors and linear SVMs.

In this package K is the number of Gaussians, and F the numbers of a feature.
"""
