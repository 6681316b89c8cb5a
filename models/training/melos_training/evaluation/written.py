"""The notes of a rendering, and the beats and chords of its plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Floats
from ..composer.features import Setting, features
from ..composer.form import Form
from ..composer.grid import BeatGrid
from ..composer.midi import Performance, skyline
from ..constants import HOP, SAMPLE_RATE
from .memory import melody

EMPTY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class GeneratedNotes:
    """The notes that the network generated; times count from the end of the lead-in, and may be negative."""

    performance: Performance
    setting: Setting
    chords: int
    """Number of different chords requested."""

    @classmethod
    def of(cls, performance: Performance, plan: Sequence[dict[str, Any]]) -> "GeneratedNotes":
        """Combines a performance with its plan, whose entries may begin before 0."""
        chords = {entry["chord"] for entry in plan if entry["seconds"] >= 0}
        return cls(performance, setting(plan), len(chords))

    def measure(self, seconds: float) -> dict[str, float]:
        """Returns the features of the notes that begin in the first `seconds`."""
        return features(self.performance, self.setting, 0.0, seconds)

    def melody(self) -> Array:
        """Returns the highest notes of successive chords."""
        return melody(self.onsets(np.inf))

    def onsets(self, seconds: float) -> Floats:
        """Returns the onsets [n, 2] (seconds, pitch) in the first `seconds`."""
        inside = (self.performance.onset >= 0) & (self.performance.onset < seconds)
        return np.stack([self.performance.onset[inside], self.performance.pitch[inside]], 1)


def chord_starts(plan: Sequence[dict[str, Any]]) -> Floats:
    """Returns the start of the chord of each entry of a plan, in seconds.

    Entries are 85 ms apart, and chords change on half-beats. Chords begin half a hop early, because onsets are rounded
    to hops.
    """
    times, beats = (np.array([entry[key] for entry in plan], np.float64) for key in ("seconds", "beat"))
    half_beats = np.floor(2 * beats) / 2
    previous = np.concatenate([[-np.inf], beats[:-1]])
    return np.where(half_beats > previous, np.interp(half_beats, beats, times), times) - HOP / SAMPLE_RATE / 2


def setting(plan: Sequence[dict[str, Any]]) -> Setting:
    """Returns the beats and chords of a rendering's plan."""
    times, beats = (np.array([entry[key] for entry in plan], np.float64) for key in ("seconds", "beat"))
    whole = np.arange(np.ceil(beats[0]), np.floor(beats[-1]) + 1)
    length = float(plan[0]["beats_per_bar"])
    form = Form(EMPTY, EMPTY, np.zeros(0, np.float32), EMPTY)
    grid = BeatGrid(np.interp(whole, beats, times), whole % length, length, form, 1)
    bits = np.array([sum(1 << pitch_class for pitch_class in set(entry["pitch_classes"])) for entry in plan])
    return Setting(grid, chord_starts(plan), bits, np.array([entry["bass"] for entry in plan]))


def by_skyline(performance: Performance) -> Performance:
    """Returns the performance with its skyline as the melody, as for renderings."""
    return Performance(**{**vars(performance), "voice": skyline(performance)})
