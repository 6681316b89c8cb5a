"""Fréchet audio distance (Kilgour et al. 2019) over a fixed embedding.

The embedding is not a pretrained network but the features of `describe.py` (onsets, dynamics, timbre, register and
tonality of an excerpt), standardised with the mean and standard deviation of the reference, and projected onto its
principal components. The distance shows whether excerpts have the statistics of real performances on the same piano. It
is not comparable with published figures.
"""

import numpy as np
from scipy.linalg import sqrtm

from ..arrays import Floats


def frechet(one: Floats, two: Floats) -> float:
    """Returns the distance between Gaussians fitted to two sets of embeddings [n, d] (Dowson and Landau 1982)."""
    means, covariances = zip(*((x.mean(0), np.atleast_2d(np.cov(x, rowvar=False))) for x in (one, two)))
    mixed = sqrtm(covariances[0] @ covariances[1])
    return float(np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * mixed.real))


class Embedding:
    """Projects features onto the first `size` principal components of the reference `features` [n, d]."""

    def __init__(self, features: Floats, size: int = 16) -> None:
        self.mean, self.deviation = features.mean(0), features.std(0) + 1e-6
        standard = (features - self.mean) / self.deviation
        self.axes = np.linalg.svd(standard, full_matrices=False)[2][:size].T

    def __call__(self, features: Floats) -> Floats:
        # Clipping limits the influence of outliers.
        return np.clip((features - self.mean) / self.deviation, -5, 5) @ self.axes
