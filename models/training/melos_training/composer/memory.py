"""The memory of earlier bars: what was played at this position 1, 2, 4 and 8 bars earlier, and in the recalled bar."""

from dataclasses import dataclass

import numpy as np

from .form import Form
from .grid import BeatGrid
from .layout import (
    DURATIONS,
    KEYS,
    LAGS,
    LATENT_SECONDS,
    OFFSETS,
    RECALL_SLOT,
    SLOT_WIDTH,
    SLOTS,
    VELOCITIES,
    VOICES,
    FloatArray,
    IntArray,
)

ROUNDING = 1e-6
"""Added to positions, in latents, so that rounding errors do not move a note to the preceding offset."""
MAX_ANTICIPATION = 0.05
"""Number of beats by which a note may precede the bar that it belongs to."""
MARGIN = 1.0
"""Seconds by which a window is extended on either side in the search for bars whose notes reach into it."""
NEIGHBOUR = 0.5
"""Weight of a struck key in the nearer neighbouring latent."""
OFFSET_COLUMN = VOICES * KEYS
VELOCITY_COLUMN = OFFSET_COLUMN + OFFSETS
DURATION_COLUMN = VELOCITY_COLUMN + VELOCITIES + 1
assert DURATION_COLUMN + DURATIONS == SLOT_WIDTH


@dataclass
class Entries:
    """The non-zero entries of a memory [latents, 1205]."""

    latent: IntArray
    column: IntArray
    weight: FloatArray

    def without(self, slots: IntArray) -> "Entries":
        """Returns the memory without the given slots."""
        kept = ~np.isin(self.column // SLOT_WIDTH, slots)
        return Entries(self.latent[kept], self.column[kept], self.weight[kept])


class Memory:
    """Collects the entries of a window's memory."""

    def __init__(self, latents: int) -> None:
        self._latents = latents
        self._parts: list[Entries] = []

    def remember(self, notes: IntArray, beats: FloatArray, grid: BeatGrid) -> None:
        """Adds notes [n, 4] (voice, key, velocity, duration) that began at `beats` to the fixed slots."""
        for slot, lag in enumerate(LAGS):
            self.put(slot, notes, grid.seconds(beats + lag * grid.bar_length))

    def recall(self, notes: IntArray, beats: FloatArray, grid: BeatGrid, form: Form) -> None:
        """Adds the notes of recalled bars to the last slot, in the bars that recall them."""
        if not len(form.start):
            return
        starts = form.start * grid.per_beat
        # Slightly early notes belong to the downbeat.
        bar_of_note = grid.bar(beats + MAX_ANTICIPATION)
        begin = grid.seconds(starts.astype(np.float64))
        end = np.append(begin[1:], np.inf)
        visible = (end > -MARGIN) & (begin < self._latents * LATENT_SECONDS + MARGIN)
        for bar in np.flatnonzero(visible & (form.source >= 0)):
            source = form.source[bar]
            inside = bar_of_note == source
            self.put(RECALL_SLOT, notes[inside], grid.seconds(beats[inside] - starts[source] + starts[bar]))

    def put(self, slot: int, notes: IntArray, seconds: FloatArray) -> None:
        """Adds notes [n, 4] to a slot, at the times `seconds`."""
        position = np.maximum(seconds, -LATENT_SECONDS) / LATENT_SECONDS + ROUNDING
        latent = np.floor(position).astype(np.int64)
        fraction = position - latent
        voice, key, velocity, duration = notes.T
        column = voice * KEYS + key
        offset = np.minimum((fraction * OFFSETS).astype(np.int64), OFFSETS - 1)
        columns = (column, OFFSET_COLUMN + offset, VELOCITY_COLUMN + velocity, DURATION_COLUMN + duration)
        for counted in columns:
            self._add(latent, slot * SLOT_WIDTH + counted, 1.0)
        self._add(latent + np.where(fraction < 0.5, -1, 1), slot * SLOT_WIDTH + column, NEIGHBOUR)

    def _add(self, latent: IntArray, column: IntArray, weight: float) -> None:
        inside = (latent >= 0) & (latent < self._latents)
        self._parts.append(Entries(latent[inside], column[inside], np.full(int(inside.sum()), weight, np.float32)))

    def entries(self) -> Entries:
        """Returns all entries in order of latent."""
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return Entries(empty, empty, np.zeros(0, np.float32))
        latent = np.concatenate([part.latent for part in self._parts])
        order = np.argsort(latent, kind="stable")
        column = np.concatenate([part.column for part in self._parts])[order]
        weight = np.concatenate([part.weight for part in self._parts])[order]
        return Entries(latent[order], column, weight)


def dense(entries: Entries, latents: int) -> FloatArray:
    """Returns the memory as an array [latents, 1205], the input of the exported network."""
    out = np.zeros((latents, SLOTS * SLOT_WIDTH), np.float32)
    np.add.at(out, (entries.latent, entries.column), entries.weight)
    return out
