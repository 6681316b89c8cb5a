"""Measures whether onsets follow the requested beat."""

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from .describe import onsets
from .renders import Rendering

DIVISIONS = (1, 2, 4)
"""Divisions of the beat with which onsets are compared."""
UNRELATED_TEMPO = 5**0.5 / 2
"""Ratio of an unrelated tempo to the tempo of the beat."""


def vector_strength(phases: ArrayLike) -> float:
    """Returns the length of the mean unit vector at `phases` (in turns): 1 if all are equal, 0 if they are uniform.

    Defined by Goldberg and Brown (1969).
    """
    return float(abs(np.average(np.exp(2j * np.pi * np.asarray(phases)))))


def tempo(times: ArrayLike, beats: ArrayLike) -> float:
    """Returns the mean tempo of `beats` at `times` (seconds), in beats per minute."""
    return float(60 * np.ptp(np.asarray(beats)) / np.ptp(np.asarray(times)))


def strength(onsets: ArrayLike, times: ArrayLike, beats: ArrayLike) -> dict[int, float]:
    """Returns the vector strength of onsets relative to beats, half-beats and quarter-beats.

    `beats` are positions in beats at `times` (seconds).
    """
    position: Floats = np.interp(np.asarray(onsets), np.asarray(times), np.asarray(beats))
    return {division: vector_strength(position * division) for division in DIVISIONS}


def rendering_strength(rendering: Rendering, tempo_ratio: float = 1.0) -> dict[int, float]:
    """Returns the vector strength of a rendering's onsets relative to the plan's beats.

    `tempo_ratio` speeds up the beats, for comparison with an unrelated tempo.
    """
    plan = rendering.plan()
    onset_times, _ = onsets(rendering.audio())
    return strength(onset_times, [entry["seconds"] for entry in plan], [tempo_ratio * entry["beat"] for entry in plan])
