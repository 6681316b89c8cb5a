"""The composer's conditions for each latent, and their layout.

`coarse` conditions [66] (the graph input `frame`) apply to a whole latent, `fine` ones [8, 32] to each offset within
it. Every group has a mask among the coarse conditions: 1 if known, 0 if unspecified, in which case its values are also
0.
"""

import numpy as np

from .layout import OFFSETS, FloatArray

COARSE_GROUPS = {
    "emotion": 8,
    "affect": 2,
    "tempo": 1,
    "density": 1,
    "loudness": 1,
    "register": 1,
    "length": 1,
    "pedalling": 1,
    "bar": 4,
    "phrase": 4,
    "recall": 1,
    "next": 26,
}
"""Groups of coarse conditions and their widths. `recall` is the similarity to the recalled bar; `next` is the next
chord: pitch classes, bass, exp(−b) and exp(−b / 4), where b is the number of beats until it begins."""

FINE_GROUPS = {"chord": 12, "bass": 12, "beat": 8}
"""Groups of fine conditions and their widths: pitch classes, bass, harmonics 1 to 4 of the beat's phase."""

GROUPS = (*COARSE_GROUPS, *FINE_GROUPS)
VALUES = sum(COARSE_GROUPS.values())
WIDTH = VALUES + len(GROUPS)
FINE_WIDTH = sum(FINE_GROUPS.values())

STEADY = ("emotion", "affect", "density", "loudness", "register", "length", "pedalling")
"""Groups that stay constant in a performance until they are changed, but vary from second to second in songs."""

DROP = {
    "emotion": 0.3,
    "affect": 0.3,
    "tempo": 0.25,
    "density": 0.2,
    "loudness": 0.2,
    "register": 0.25,
    "length": 0.4,
    "pedalling": 0.4,
    "bar": 0.25,
    "phrase": 0.3,
    "recall": 0.3,
    "next": 0.3,
    "chord": 0.2,
    "bass": 0.25,
    "beat": 0.15,
}
"""Probability that training drops each group."""
DROP_ALL = 0.12
"""Probability that training drops all groups."""


def _slices(groups: dict[str, int]) -> dict[str, slice]:
    ends = np.cumsum(list(groups.values()))
    return {name: slice(int(end) - width, int(end)) for (name, width), end in zip(groups.items(), ends)}


COARSE_SLICES = _slices(COARSE_GROUPS)
FINE_SLICES = _slices(FINE_GROUPS)
MASKS = {name: VALUES + index for index, name in enumerate(GROUPS)}


def harmonics(phase: FloatArray, orders: tuple[int, ...]) -> FloatArray:
    """Returns the interleaved cosines and sines of multiples of a phase (in cycles), [n, 2 · number of orders]."""
    angles = 2 * np.pi * phase[:, None] * np.array(orders)
    return np.stack([np.cos(angles), np.sin(angles)], 2).reshape(len(phase), -1)


def tempo(bpm: FloatArray) -> FloatArray:
    """Scales tempi, in beats per minute, to octaves relative to 120."""
    return np.log2(np.clip(bpm, 25, 300) / 120)


def density(notes_per_second: FloatArray) -> FloatArray:
    """Scales densities, in note onsets per second."""
    return (np.log1p(notes_per_second) - 1.8) / 0.7


def loudness(velocity: FloatArray) -> FloatArray:
    """Scales mean MIDI velocities."""
    return (velocity - 64) / 20


def register(pitch: FloatArray) -> FloatArray:
    """Scales mean MIDI note numbers."""
    return (pitch - 60) / 12


def length(log_seconds: FloatArray) -> FloatArray:
    """Scales mean natural logarithms of key-down times in seconds."""
    return (log_seconds - np.log(0.35)) / 0.8


class Conditions:
    """The conditions of consecutive latents; initially unspecified."""

    def __init__(self, latents: int) -> None:
        self.coarse: FloatArray = np.zeros((latents, WIDTH), np.float32)
        self.fine: FloatArray = np.zeros((latents, OFFSETS, FINE_WIDTH), np.float32)

    def set(self, group: str, values: FloatArray, known: np.ndarray | bool = True) -> None:
        """Sets a group for all latents.

        `values` are [latents, width], or [latents, 8, width] for a fine group; `known` is [latents].
        """
        mask = np.broadcast_to(np.asarray(known, np.bool_), (len(self.coarse),))
        if group in FINE_SLICES:
            self.fine[:, :, FINE_SLICES[group]] = np.where(mask[:, None, None], values, 0)
        else:
            self.coarse[:, COARSE_SLICES[group]] = np.where(mask[:, None], values.reshape(len(self.coarse), -1), 0)
        self.coarse[:, MASKS[group]] = mask

    def clear(self, group: str) -> None:
        """Makes a group unspecified."""
        if group in FINE_SLICES:
            self.fine[:, :, FINE_SLICES[group]] = 0
        else:
            self.coarse[:, COARSE_SLICES[group]] = 0
        self.coarse[:, MASKS[group]] = 0

    def average(self, group: str) -> None:
        """Replaces the values of a coarse group with their mean over the latents in which they are known."""
        known = self.coarse[:, MASKS[group]] > 0
        if known.any():
            self.coarse[known, COARSE_SLICES[group]] = self.coarse[known, COARSE_SLICES[group]].mean(0)

    def drop(self, random: np.random.Generator) -> None:
        """Drops groups at random, for training."""
        drop_all = random.random() < DROP_ALL
        for group in GROUPS:
            if drop_all or random.random() < DROP[group]:
                self.clear(group)
