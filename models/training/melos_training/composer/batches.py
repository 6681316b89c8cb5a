"""Draws windows at random and collates them into batches."""

from dataclasses import dataclass

import numpy as np
import torch

from .conditions import MASKS
from .layout import (
    DURATIONS,
    LATENT_SECONDS,
    RECALL_SLOT,
    SLOTS,
    UNKNOWN_VELOCITY,
    FloatArray,
    IntArray,
)
from .library import Library, Song
from .network import Batch
from .view import View
from .windows import Window, cut

SLOW_BPM = 85.0
"""Below this tempo, half of the windows use double time, because slow music can be counted either way."""
STRETCH = 0.85, 1.18
"""Range of the time-stretching factor."""
HALF_WINDOWS = 1.0, 4.0
"""Values of `View.half_window`, of which one is drawn for each window."""

# Probabilities of the random choices for each window.
FROM_START = 0.1
NO_HISTORY = 0.2
DERIVED_CHORDS = 0.15
STEADY = 0.6
SPARSE_BASS = 0.6
NO_MEMORY = 0.2
NO_SLOT = 0.25
ONLY_RECALL = 0.3
"""Probability that the memory contains only the recalled bar, whose effect the other slots would otherwise mask."""


@dataclass
class WindowSampler:
    """Draws windows for training."""

    library: Library
    latents: int
    windows: int
    """Windows per batch."""
    weights: dict[str, float]
    """Weight of each corpus, per second of music."""

    def __post_init__(self) -> None:
        self.songs = self.library.split("train")
        probabilities = np.array([self.weights[s.corpus] * max(s.end - s.start, 20.0) for s in self.songs])
        self._probabilities: FloatArray = probabilities / probabilities.sum()

    def batch(self, random: np.random.Generator) -> Batch:
        """Draws a batch."""
        windows = [self._window(random) for _ in range(self.windows)]
        return collate(windows, random)

    def _window(self, random: np.random.Generator) -> Window:
        song = self.songs[random.choice(len(self.songs), p=self._probabilities)]
        window = cut(song, self._view(song, random), self.library.labeller)
        window.conditions.drop(random)
        dropped = self._dropped_slots(random)
        window.memory = window.memory.without(dropped)
        if RECALL_SLOT in dropped:
            window.conditions.clear("recall")
        return window

    def _dropped_slots(self, random: np.random.Generator) -> IntArray:
        """Draws which slots of the memory to leave empty."""
        draw = random.random()
        if draw < NO_MEMORY:
            return np.arange(SLOTS)
        if draw < NO_MEMORY + ONLY_RECALL:
            return np.delete(np.arange(SLOTS), RECALL_SLOT)
        return np.flatnonzero(random.random(SLOTS) < NO_SLOT)

    def _view(self, song: Song, random: np.random.Generator) -> View:
        ratio = float(np.exp(random.uniform(*np.log(STRETCH))))
        first, last = song.start * ratio, song.end * ratio
        if random.random() < FROM_START:
            start = first - random.uniform(0, 1.5)
        else:
            start = random.uniform(first - 1, max(first, last - 0.6 * self.latents * LATENT_SECONDS))
        slow = len(song.beats) > 1 and mean_bpm(song) / ratio < SLOW_BPM
        return View(
            start=start,
            latents=self.latents,
            ratio=ratio,
            shift=int(random.integers(-5, 6)),
            half_window=float(random.choice(HALF_WINDOWS)),
            no_history=random.random() < NO_HISTORY,
            labelled_chords=random.random() >= DERIVED_CHORDS,
            double_time=slow and random.random() < 0.5,
            steady=random.random() < STEADY,
            sparse_bass=random.random() < SPARSE_BASS,
        )


def mean_bpm(song: Song) -> float:
    """Returns the mean tempo from the first beat to the last."""
    times = song.beats[:, 0]
    return float(60 * (len(times) - 1) / (times[-1] - times[0]))


def held_out(library: Library, split: str, corpus: str, latents: int, count: int, seed: int = 1) -> list[Window]:
    """Cuts `count` windows from the songs of a corpus in a split, taking the songs in turn.

    Their start times are drawn at random, using `seed`. Returns an empty list if there are no such songs.
    """
    random = np.random.default_rng(seed)
    songs = [song for song in library.split(split) if song.corpus == corpus]
    windows = []
    for index in range(count if songs else 0):
        song = songs[index % len(songs)]
        start = random.uniform(song.start, max(song.start + 1, song.end - latents * LATENT_SECONDS))
        windows.append(cut(song, View(start=start, latents=latents, half_window=4.0), library.labeller))
    return windows


def without_conditions(window: Window) -> Window:
    """Returns the window without conditions or memory."""
    stripped = keep_conditions(window)
    stripped.memory = window.memory.without(np.arange(SLOTS))
    return stripped


def keep_conditions(window: Window, keep: tuple[str, ...] = ()) -> Window:
    """Returns the window with only those groups of conditions that are in `keep`."""
    copied = Window(**vars(window))
    copied.conditions = type(window.conditions)(len(window.melody))
    copied.conditions.coarse[:] = window.conditions.coarse
    copied.conditions.fine[:] = window.conditions.fine
    for group in MASKS:
        if group not in keep:
            copied.conditions.clear(group)
    return copied


def collate(windows: list[Window], random: np.random.Generator | None = None) -> Batch:
    """Collates windows of the same length into a batch.

    With `random`, the notes that the network reads are slightly corrupted at random, because in a performance it reads
    its own notes, which are imperfect.
    """
    length = len(windows[0].melody)
    read, read_latent, written, written_latent = [], [], [], []
    column, weight, counts = [], [], []
    for index, window in enumerate(windows):
        notes = window.notes
        earlier = notes[notes[:, 0] < length - 1]
        read_latent.append(earlier[:, 0] + 1 + index * length)
        read.append(earlier[:, 1:])
        predicted = notes[notes[:, 0] >= 0]
        written_latent.append(predicted[:, 0] + index * length)
        written.append(predicted[:, 1:])
        column.append(window.memory.column)
        weight.append(window.memory.weight)
        counts.append(np.bincount(window.memory.latent, minlength=length))
    parts, latents = np.concatenate(read), np.concatenate(read_latent)
    if random is not None:
        parts, latents = corrupt_notes(parts, latents, random)
    ends = np.cumsum(np.concatenate(counts))

    def stack(values: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(values))

    return Batch(
        coarse=stack([w.conditions.coarse for w in windows]),
        fine=stack([w.conditions.fine for w in windows]),
        sounding=stack([w.sounding for w in windows]),
        melody=stack([w.melody for w in windows]),
        pedal_before=stack([w.pedal_before for w in windows]),
        pedal=stack([w.pedal for w in windows]),
        pedal_offset=stack([w.pedal_offset for w in windows]),
        read_latent=torch.from_numpy(latents),
        read=torch.from_numpy(parts),
        note_latent=torch.from_numpy(np.concatenate(written_latent)),
        note=torch.from_numpy(np.concatenate(written)),
        memory_start=torch.from_numpy(np.append(0, ends[:-1])),
        memory_column=torch.from_numpy(np.concatenate(column)),
        memory_weight=torch.from_numpy(np.concatenate(weight)),
    )


def corrupt_notes(parts: IntArray, latents: IntArray, random: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Drops some notes and shifts some velocities and durations to a neighbouring class, in half of the batches."""
    if random.random() < 0.5:
        return parts, latents
    kept = random.random(len(parts)) >= random.uniform(0, 0.15)
    parts, latents = parts[kept].copy(), latents[kept]
    known = parts[:, 3] < UNKNOWN_VELOCITY
    parts[:, 3] = np.where(
        known, np.clip(parts[:, 3] + random.integers(-1, 2, len(parts)), 0, UNKNOWN_VELOCITY - 1), parts[:, 3]
    )
    parts[:, 4] = np.clip(parts[:, 4] + random.integers(-1, 2, len(parts)), 0, DURATIONS - 1)
    return parts, latents
