"""Measures how fast a change of emotion becomes audible, from the judge's estimates of arousal and from the notes."""

from collections.abc import Callable

import numpy as np

from ..arrays import Floats
from ..composer.midi import Performance
from .emotion import Judge
from .renders import RATE

WINDOW, STEP = 4.0, 0.5
"""Length and spacing of the windows, in seconds; a sudden change is smeared over a window."""
NOTES_WINDOW, NOTES_STEP = 0.5, 0.1
"""Length and spacing of the windows over which velocities are summed, in seconds."""
BEFORE, AFTER = 4.0, 8.0
"""The value counts as settled until `BEFORE` seconds before the change, and from `AFTER` seconds after it."""


def arousal_curve(
    judge: Judge, describe: Callable[[Floats], Floats], samples: Floats, change: float
) -> tuple[Floats, Floats]:
    """Returns the centres of windows, in seconds after the change, and the arousal estimated in each."""
    starts = np.arange(0, len(samples) / RATE - WINDOW, STEP)
    windows = [samples[int(start * RATE) : int((start + WINDOW) * RATE)] for start in starts]
    return starts + WINDOW / 2 - change, judge(np.stack([describe(window) for window in windows])).arousal


def activity(performance: Performance, change: float, seconds: float) -> tuple[Floats, Floats]:
    """Returns the centres of windows, in seconds after the change, and the sum of the velocities of their notes."""
    edges = np.arange(round(seconds / NOTES_STEP) + 1) * NOTES_STEP
    sums, _ = np.histogram(performance.onset, edges, weights=performance.velocity)
    width = round(NOTES_WINDOW / NOTES_STEP)
    return edges[:-width] + NOTES_WINDOW / 2 - change, np.convolve(sums, np.ones(width), "valid")


def normalise(times: Floats, values: Floats) -> Floats:
    """Scales a curve so that its settled value is 0 before the change and 1 after it."""
    before, after = values[times < -BEFORE].mean(), values[times > AFTER].mean()
    return (values - before) / (after - before)


def crossing_time(times: Floats, share: Floats, level: float = 0.5) -> float:
    """Returns the time at which a curve first rises to a level, interpolated between windows; NaN if it never does.

    Ignores crossings earlier than `BEFORE` seconds before the change.
    """
    for i in range(1, len(share)):
        if share[i - 1] < level <= share[i] and times[i] > -BEFORE:
            return float(times[i - 1] + (level - share[i - 1]) / (share[i] - share[i - 1]) * (times[i] - times[i - 1]))
    return float("nan")


def step_time(times: Floats, values: Floats) -> float:
    """Returns the time at which a step from one constant to another fits a curve best, by the squared error.

    Unlike the first crossing of a level, it does not depend on fluctuations before the change.
    """
    counts = np.arange(1, len(values))
    sums = np.cumsum(values)[:-1]
    explained = sums**2 / counts + (values.sum() - sums) ** 2 / (len(values) - counts)
    best = int(explained.argmax())
    return float((times[best] + times[best + 1]) / 2)
