"""Means with confidence intervals, and how well scores tell two groups apart."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over `count` excerpts."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self):
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def bootstrap(statistic, *samples, seed=0):
    """`statistic(*samples)` with the percentile interval (Efron 1979) of resampling each of the samples by itself."""
    rng = np.random.default_rng(seed)
    samples = [np.asarray(sample) for sample in samples]
    values = [
        statistic(*(sample[rng.integers(len(sample), size=len(sample))] for sample in samples)) for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Estimate(float(statistic(*samples)), float(low), float(high), sum(map(len, samples)))


def mean(sample):
    return bootstrap(np.mean, sample)


def auc(positive, negative):
    """Probability that a positive scores higher than a negative; ties count half (Mann and Whitney 1947)."""
    ranks = np.searchsorted(np.sort(negative), positive, "left") + np.searchsorted(np.sort(negative), positive, "right")
    return float(ranks.mean() / 2 / len(negative))
