"""Tracks the keyboard and the pedal in a performance: which keys are down, and which strings the pedal sustains."""

import numpy as np

from .layout import (
    DURATIONS,
    KEYS,
    LATENT_SECONDS,
    MELODY,
    NO_MELODY,
    OFFSETS,
    PEDAL_DOWN,
    PEDAL_UP,
    FloatArray,
    IntArray,
    duration_seconds,
)
from .midi import MAX_SUSTAIN
from .windows import DECAY

NEVER = 10**9
"""Stands for the latent in which a key was struck if it has not been struck yet."""
HELD = duration_seconds(np.arange(DURATIONS)) / LATENT_SECONDS
"""Key-down time in latents, by duration class."""


class Keyboard:
    """The keyboards and pedals of a batch, one per row."""

    def __init__(self, rows: int) -> None:
        self.melody: IntArray = np.full(rows, NO_MELODY)
        """The melody's last key in each row, 0..87; 88 before the first."""
        self.pedal: IntArray = np.full(rows, PEDAL_UP)
        """The latest pedal action of each row."""
        self._struck = np.full((rows, KEYS), NEVER)
        self._up = np.zeros((rows, KEYS), np.int64)
        self._damped = np.zeros((rows, KEYS), np.int64)

    def strike(self, rows: IntArray, latent: int, notes: IntArray) -> None:
        """Strikes one key in each of `rows`; `notes` [rows, 5] are offset, voice, key, velocity, duration."""
        offset, voice, key, _, duration = notes.T
        up = np.ceil(latent + offset / OFFSETS + HELD[duration]).astype(np.int64)
        self._struck[rows, key] = latent + 1
        self._up[rows, key] = np.maximum(up, latent + 1)
        self._damped[rows, key] = up + round(MAX_SUSTAIN / LATENT_SECONDS)
        self.melody[rows] = np.where(voice == MELODY, key, self.melody[rows])

    def move_pedal(self, latent: int, pedal: IntArray) -> None:
        """Applies the pedal actions of a latent, one per row; lifting the pedal damps the strings of released keys."""
        self.pedal = pedal
        lifted = (pedal != PEDAL_DOWN)[:, None]
        stays_up = (pedal == PEDAL_UP)[:, None]
        released = (self._up <= latent) | ((self._up == latent + 1) & stays_up)
        self._damped = np.where(
            lifted & released, np.minimum(self._damped, np.maximum(self._up, latent + 1)), self._damped
        )

    def sounding(self, latent: int) -> FloatArray:
        """Returns levels at the start of a latent [rows, 176]: held keys, then strings that only the pedal sustains."""
        held = (self._struck <= latent) & (latent < self._up)
        sustained = (self._struck <= latent) & (latent >= self._up) & (latent < self._damped)

        def level(start: IntArray) -> FloatArray:
            return (0.25 + 0.75 * np.exp(-(latent - start) * LATENT_SECONDS / DECAY)).astype(np.float32)

        struck = np.minimum(self._struck, latent)
        return np.concatenate([held * level(struck), sustained * level(np.minimum(self._up, latent))], 1).astype(
            np.float32
        )
