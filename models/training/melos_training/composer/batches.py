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
"""Below this tempo, half of the windows are counted twice as fast, since slow music can be felt either way."""
STRETCH = 0.85, 1.18
REACHES = 1.0, 4.0
FROM_START = 0.1
FRESH = 0.2
DERIVED_CHORDS = 0.15
NO_MEMORY = 0.25
NO_SLOT = 0.25
ONLY_RECALL = 0.2
"""How often only the recalled bar is remembered; otherwise the other slots would mask its effect."""


@dataclass
class WindowSampler:
    """Draws windows for training."""

    library: Library
    frames: int
    windows: int
    """Windows per batch."""
    weights: dict[str, float]
    """Weight of a second of each corpus."""

    def __post_init__(self) -> None:
        self.songs = self.library.split("train")
        chances = np.array([self.weights[s.corpus] * max(s.end - s.start, 20.0) for s in self.songs])
        self._chances: FloatArray = chances / chances.sum()

    def batch(self, random: np.random.Generator) -> Batch:
        """The next batch."""
        windows = [self._window(random) for _ in range(self.windows)]
        return collate(windows, random)

    def _window(self, random: np.random.Generator) -> Window:
        song = self.songs[random.choice(len(self.songs), p=self._chances)]
        window = cut(song, self._view(song, random), self.library.labeller)
        window.conditions.drop(random)
        dropped = self._forgotten(random)
        window.memory = window.memory.without(dropped)
        if RECALL_SLOT in dropped:
            window.conditions.free("recall")
        return window

    def _forgotten(self, random: np.random.Generator) -> IntArray:
        """The slots of the memory that are empty."""
        chance = random.random()
        if chance < NO_MEMORY:
            return np.arange(SLOTS)
        if chance < NO_MEMORY + ONLY_RECALL:
            return np.delete(np.arange(SLOTS), RECALL_SLOT)
        return np.flatnonzero(random.random(SLOTS) < NO_SLOT)

    def _view(self, song: Song, random: np.random.Generator) -> View:
        ratio = float(np.exp(random.uniform(*np.log(STRETCH))))
        first, last = song.start * ratio, song.end * ratio
        if random.random() < FROM_START:
            start = first - random.uniform(0, 1.5)
        else:
            start = random.uniform(first - 1, max(first, last - 0.6 * self.frames * LATENT_SECONDS))
        slow = len(song.beats) > 1 and mean_bpm(song) / ratio < SLOW_BPM
        return View(
            start=start,
            frames=self.frames,
            ratio=ratio,
            shift=int(random.integers(-5, 6)),
            reach=float(random.choice(REACHES)),
            fresh=random.random() < FRESH,
            written_chords=random.random() >= DERIVED_CHORDS,
            doubled=slow and random.random() < 0.5,
        )


def mean_bpm(song: Song) -> float:
    """Tempo from the first beat to the last."""
    times = song.beats[:, 0]
    return float(60 * (len(times) - 1) / (times[-1] - times[0]))


def held_out(library: Library, split: str, corpus: str, frames: int, count: int, seed: int = 1) -> list[Window]:
    """`count` windows of a split, always the same, one song after the other; none if the corpus has none."""
    random = np.random.default_rng(seed)
    songs = [song for song in library.split(split) if song.corpus == corpus]
    windows = []
    for number in range(count if songs else 0):
        song = songs[number % len(songs)]
        start = random.uniform(song.start, max(song.start + 1, song.end - frames * LATENT_SECONDS))
        windows.append(cut(song, View(start=start, frames=frames, reach=4.0), library.labeller))
    return windows


def without_conditions(window: Window) -> Window:
    """The window without any conditions or memory."""
    free = cut_conditions(window)
    free.memory = window.memory.without(np.arange(SLOTS))
    return free


def cut_conditions(window: Window, keep: tuple[str, ...] = ()) -> Window:
    """The window without any conditions except those in `keep`."""
    copied = Window(**vars(window))
    copied.conditions = type(window.conditions)(len(window.melody))
    copied.conditions.frame[:] = window.conditions.frame
    copied.conditions.fine[:] = window.conditions.fine
    for group in MASKS:
        if group not in keep:
            copied.conditions.free(group)
    return copied


def collate(windows: list[Window], noise: np.random.Generator | None = None) -> Batch:
    """Collates windows of the same length into a batch.

    With `noise`, the past that the network reads is slightly corrupted, since it will be imperfect when it plays, too.
    """
    length = len(windows[0].melody)
    read, read_frame, written, written_frame = [], [], [], []
    column, weight, counts = [], [], []
    for number, window in enumerate(windows):
        notes = window.notes
        sounding = notes[notes[:, 0] < length - 1]
        read_frame.append(sounding[:, 0] + 1 + number * length)
        read.append(sounding[:, 1:])
        future = notes[notes[:, 0] >= 0]
        written_frame.append(future[:, 0] + number * length)
        written.append(future[:, 1:])
        column.append(window.memory.column)
        weight.append(window.memory.weight)
        counts.append(np.bincount(window.memory.frame, minlength=length))
    parts, frames = np.concatenate(read), np.concatenate(read_frame)
    if noise is not None:
        parts, frames = misread(parts, frames, noise)
    ends = np.cumsum(np.concatenate(counts))

    def stack(values: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(values))

    return Batch(
        frame=stack([w.conditions.frame for w in windows]),
        fine=stack([w.conditions.fine for w in windows]),
        sounding=stack([w.sounding for w in windows]),
        melody=stack([w.melody for w in windows]),
        pedal_before=stack([w.pedal_before for w in windows]),
        pedal=stack([w.pedal for w in windows]),
        pedal_offset=stack([w.pedal_offset for w in windows]),
        read_frame=torch.from_numpy(frames),
        read=torch.from_numpy(parts),
        note_frame=torch.from_numpy(np.concatenate(written_frame)),
        note=torch.from_numpy(np.concatenate(written)),
        memory_start=torch.from_numpy(np.append(0, ends[:-1])),
        memory_column=torch.from_numpy(np.concatenate(column)),
        memory_weight=torch.from_numpy(np.concatenate(weight)),
    )


def misread(parts: IntArray, frames: IntArray, random: np.random.Generator) -> tuple[IntArray, IntArray]:
    """In half of the batches, drops some notes and shifts some velocities and durations to a neighbouring class."""
    if random.random() < 0.5:
        return parts, frames
    kept = random.random(len(parts)) >= random.uniform(0, 0.15)
    parts, frames = parts[kept].copy(), frames[kept]
    moved = parts[:, 3] < UNKNOWN_VELOCITY
    parts[:, 3] = np.where(
        moved, np.clip(parts[:, 3] + random.integers(-1, 2, len(parts)), 0, UNKNOWN_VELOCITY - 1), parts[:, 3]
    )
    parts[:, 4] = np.clip(parts[:, 4] + random.integers(-1, 2, len(parts)), 0, DURATIONS - 1)
    return parts, frames
