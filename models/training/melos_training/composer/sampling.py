"""Sampling from logits, and control of density, register and level."""

from dataclasses import dataclass

import numpy as np

from .layout import KEYS, LATENT_SECONDS, LOWEST_KEY, VELOCITIES, VELOCITY_WIDTH, FloatArray, IntArray


@dataclass(frozen=True)
class Sampling:
    """Sampling settings for notes. Temperatures divide logits; 1 matches the training data."""

    harmony: float = 0.9
    """Temperature of keys."""
    time: float = 0.9
    """Temperature of offsets and ends."""
    touch: float = 1.0
    """Temperature of voices, velocities, durations and pedal; below 1, melodies fade out and the touch becomes even."""
    top_p: float = 0.95
    """Top-p threshold for sampling keys."""
    guidance: float = 1.0
    """Classifier-free guidance scale for keys; 1 means none."""
    servo: float = 1.0
    """Strength of the control of density, register and level."""

    @classmethod
    def of(cls, temperature: float) -> "Sampling":
        """The settings for a temperature from 0.2 (plain) to 2 (adventurous).

        It affects keys fully and timing only slightly, so that onsets stay on the beat.
        """
        return cls(harmony=0.9 * temperature, time=min(0.9 * temperature**0.15, 0.95))


def choose(logits: FloatArray, temperature: float, dice: FloatArray, top_p: float = 1.0) -> IntArray:
    """Samples one class per row of logits [rows, classes], given uniform random numbers `dice` [rows]."""
    scaled = logits.astype(np.float64) / max(temperature, 1e-3)
    chances = np.exp(scaled - scaled.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    if top_p < 1:
        order = np.argsort(-chances, 1, kind="stable")
        ordered = np.take_along_axis(chances, order, 1)
        ordered[np.cumsum(ordered, 1) - ordered >= top_p] = 0
        np.put_along_axis(chances, order, ordered, 1)
    sums = np.cumsum(chances, 1)
    return np.minimum((sums <= dice[:, None] * sums[:, -1:]).sum(1), logits.shape[1] - 1)


class Servo:
    """Closed-loop control of density, register and level, for each row."""

    SPANS = 4.0, 16.0
    """Windows over which played and requested values are compared, in seconds."""
    GAIN = 2.0
    """Nats added to the end-of-latent logit per window, for each factor of e by which there are too many notes."""
    TILT = 0.02
    """Slope over the keys, in nats per semitone, for each semitone of error in the mean."""
    MOST_TILT = 0.12
    LEVEL = 0.03
    """Slope over the velocity classes, in nats per class, for each unit of error in the mean velocity."""
    MOST_LEVEL = 0.3
    AT_LEAST = 0.7
    """Notes per second added to both rates before they are compared, so that rests do not dominate."""
    TRUST = 24
    """Number of latents over which the correction is faded in at the start."""

    def __init__(self, rows: int, frames: int) -> None:
        self._count = np.zeros((rows, frames + 1))
        self._pitch = np.zeros((rows, frames + 1))
        self._velocity = np.zeros((rows, frames + 1))

    def played(self, rows: IntArray, frame: int, keys: IntArray, velocities: IntArray) -> None:
        """Counts one note in each of `rows`: keys and velocity classes [rows]."""
        self._count[rows, frame] += 1
        self._pitch[rows, frame] += keys + LOWEST_KEY
        self._velocity[rows, frame] += (velocities + 0.5) * VELOCITY_WIDTH

    def end(self, frame: int, requested: FloatArray) -> FloatArray:
        """Bias of the end-of-latent logit [rows], given the requested notes per second [rows]; NaN if unspecified."""
        bias = np.zeros(len(self._count))
        for span in self.SPANS:
            first = max(0, frame - round(span / LATENT_SECONDS))
            rate = self._count[:, first:frame].sum(1) / (max(frame - first, 1) * LATENT_SECONDS)
            bias += self.GAIN * np.log((rate + self.AT_LEAST) / (requested + self.AT_LEAST))
        return np.nan_to_num(np.clip(bias, -3, 3)) * min(1.0, frame / self.TRUST)

    def _lean(self, frame: int, sums: FloatArray, requested: FloatArray, gain: float, most: float) -> FloatArray:
        """Slope of a bias [rows, 1] that moves the recent mean towards the requested value [rows]."""
        first = max(0, frame - round(self.SPANS[0] / LATENT_SECONDS))
        count = self._count[:, first:frame].sum(1)
        mean = sums[:, first:frame].sum(1) / np.maximum(count, 1)
        slope = np.where(count > 3, np.clip(gain * (requested - mean), -most, most), 0)
        return np.nan_to_num(slope)[:, None]

    def tilt(self, frame: int, requested: FloatArray) -> FloatArray:
        """Bias of the key logits [rows, 88], given the requested mean note number [rows]."""
        slope = self._lean(frame, self._pitch, requested, self.TILT, self.MOST_TILT)
        return slope * (np.arange(KEYS) - KEYS // 2)

    def level(self, frame: int, requested: FloatArray) -> FloatArray:
        """Bias of the velocity logits [rows, 32], given the requested mean velocity [rows]."""
        slope = self._lean(frame, self._velocity, requested, self.LEVEL, self.MOST_LEVEL)
        return slope * (np.arange(VELOCITIES) - VELOCITIES // 2)
