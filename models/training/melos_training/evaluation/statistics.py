"""Computes means with confidence intervals, and the AUC."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % confidence interval over `count` excerpts."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def bootstrap(statistic: Callable[..., Any], *data: ArrayLike, seed: int = 0) -> Estimate:
    """Returns `statistic(*data)` with its bootstrap percentile interval (Efron 1979).

    Each sample is resampled separately.
    """
    rng = np.random.default_rng(seed)
    samples = [np.asarray(sample) for sample in data]
    values = [
        statistic(*(sample[rng.integers(len(sample), size=len(sample))] for sample in samples))
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Estimate(float(statistic(*samples)), float(low), float(high), sum(map(len, samples)))


def mean(sample: ArrayLike) -> Estimate:
    """Returns the mean of a sample with its confidence interval."""
    return bootstrap(np.mean, sample)


def auc(positive: Floats, negative: Floats) -> float:
    """Returns the probability that a positive scores higher than a negative; ties count half.

    This is the statistic of Mann and Whitney (1947).
    """
    ranks = np.searchsorted(np.sort(negative), positive, "left") + np.searchsorted(np.sort(negative), positive, "right")
    return float(ranks.mean() / 2 / len(negative))
