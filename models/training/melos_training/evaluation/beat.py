"""Whether onsets keep to the beat that was asked for."""

import numpy as np

from .describe import onsets

DIVISIONS = (1, 2, 4)
"""Onsets may fall on beats, halves and quarters of beats."""
OTHER_PACE = 5 ** 0.5 / 2
"""A pace that has nothing to do with the beat."""


def vector_strength(phases, weights=None):
    """Length of the mean of unit vectors at `phases` (1 is a turn): 1 for one phase, 0 for even ones (Goldberg and Brown 1969)."""
    return float(abs(np.average(np.exp(2j * np.pi * np.asarray(phases)), weights=weights)))


def strength(onsets, times, beats, weights=None):
    """Vector strength of onsets against the beats, their halves and their quarters; `beats` count up at `times`, seconds."""
    position = np.interp(onsets, times, beats)
    return {division: vector_strength(position * division, weights) for division in DIVISIONS}


def of_rendering(rendering, pace=1.0):
    """Strength of a rendering's onsets against the beats of its plan, or, to compare, against beats `pace` times as fast."""
    plan = rendering.plan()
    found, _ = onsets(rendering.sound())
    return strength(found, [entry["seconds"] for entry in plan], [pace * entry["beat"] for entry in plan])
