"""Measures whether the networks have memorised training pieces, by the longest run of intervals that their music shares
with a training piece."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import mido
import numpy as np

from ..arrays import Array

HASH_BASE = 0x9E3779B97F4A7C15


def melody(onsets: Iterable[Sequence[float]] | Array, gap: float = 0.03) -> Array:
    """Returns the highest notes of successive chords; onsets [n, 2] (seconds, pitch) within `gap` form one chord."""
    tops: list[float] = []
    started = -1.0
    for time, pitch in onsets:
        if time - started < gap:
            tops[-1] = max(tops[-1], pitch)
        else:
            tops.append(pitch)
            started = time
    return np.array(tops, int)


def midi_onsets(path: Path) -> Array:
    """Reads the onsets [n, 2] (seconds, pitch) of a MIDI file in order, without percussion."""
    now, onsets = 0.0, []
    for message in mido.MidiFile(path, clip=True):
        now += message.time
        if message.type == "note_on" and message.velocity > 0 and message.channel != 9:
            onsets.append((now, message.note))
    return np.array(onsets).reshape(-1, 2)


class MelodyIndex:
    """An index of melodies, to search for shared runs of intervals."""

    def __init__(self, melodies: Sequence[Array]) -> None:
        self.steps = [np.diff(melody) for melody in melodies]
        self._runs: dict[int, tuple[Array, Array]] = {}

    def _runs_of(self, length: int) -> tuple[Array, Array]:
        """Returns the sorted hashes of all runs of this many intervals, with the piece of each (−1 if several)."""
        if length not in self._runs:
            hashes = [np.unique(hash_runs(steps, length)) for steps in self.steps]
            pieces = np.repeat(np.arange(len(hashes)), [len(numbers) for numbers in hashes])
            numbers, first, count = np.unique(np.concatenate(hashes), return_index=True, return_counts=True)
            self._runs[length] = numbers, np.where(count > 1, -1, pieces[first])
        return self._runs[length]

    def longest_shared(self, melody: Array, without: int | None = None, longest: int = 64) -> int:
        """Returns the number of notes in the longest run that a melody shares, in any key, with a piece.

        The piece with index `without` is left out; runs are not followed beyond `longest` notes.
        """
        steps = np.diff(melody)
        for length in range(1, longest):
            numbers, pieces = self._runs_of(length)
            owners = pieces[np.isin(numbers, hash_runs(steps, length))]
            if not (owners != (len(self.steps) if without is None else without)).any():
                return length
        return longest


def hash_runs(steps: Array, length: int) -> Array:
    """Hashes all runs of this many intervals with a polynomial modulo 2^64 (Karp and Rabin 1987)."""
    numbers = np.zeros(max(0, len(steps) - length + 1), np.uint64)
    for index in range(length):
        numbers = numbers * np.uint64(HASH_BASE) + (steps[index : index + len(numbers)] + 128).astype(np.uint64)
    return numbers
