"""Whether onsets follow the requested beat."""

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from .describe import onsets
from .renders import Rendering

DIVISIONS = (1, 2, 4)
"""Onsets may fall on beats, halves and quarters of beats."""
OTHER_PACE = 5**0.5 / 2
"""A tempo ratio unrelated to the beat."""


def vector_strength(phases: ArrayLike) -> float:
    """Length of the mean of unit vectors at `phases` (in turns): 1 if all are equal, 0 if they are uniform.

    Goldberg and Brown 1969.
    """
    return float(abs(np.average(np.exp(2j * np.pi * np.asarray(phases)))))


def strength(onsets: ArrayLike, times: ArrayLike, beats: ArrayLike) -> dict[int, float]:
    """Vector strength of onsets against beats, half-beats and quarter-beats; `beats` are positions at `times` (s)."""
    position: Floats = np.interp(np.asarray(onsets), np.asarray(times), np.asarray(beats))
    return {division: vector_strength(position * division) for division in DIVISIONS}


def of_rendering(rendering: Rendering, pace: float = 1.0) -> dict[int, float]:
    """Strength of a rendering's onsets against its plan's beats or, for comparison, beats `pace` times as fast."""
    plan = rendering.plan()
    found, _ = onsets(rendering.audio())
    return strength(found, [entry["seconds"] for entry in plan], [pace * entry["beat"] for entry in plan])
