"""Samples from logits, and controls density, register and level."""

from dataclasses import dataclass

import numpy as np

from .layout import KEYS, LATENT_SECONDS, LOWEST_KEY, VELOCITIES, VELOCITY_WIDTH, FloatArray, IntArray


@dataclass(frozen=True)
class Sampling:
    """Sampling settings for notes. Temperatures divide logits; 1 matches the training data."""

    harmony: float = 0.9
    """Temperature of keys."""
    time: float = 0.9
    """Temperature of offsets and of the end of a latent."""
    touch: float = 1.0
    """Temperature of voices, velocities, durations and pedal; below 1, melodies vanish and velocities even out."""
    top_p: float = 0.95
    """Top-p threshold for sampling keys."""
    guidance: float = 1.0
    """Scale of classifier-free guidance, for keys only; 1 means no guidance."""
    servo: float = 1.0
    """Strength of the feedback that controls density, register and level."""
    sparseness: float = 0.8
    """Bias of the end-of-latent logit once the latent contains a note, in nats.

    The feedback maintains the density, so a higher bias results in more but smaller chords. Without it, the network
    plays larger chords than pianists do.
    """

    @classmethod
    def of(cls, temperature: float) -> "Sampling":
        """Returns the settings for a temperature from 0.2 (plain) to 2 (adventurous).

        The temperature affects keys fully but timing only slightly, so that onsets stay on the beat.
        """
        return cls(harmony=0.9 * temperature, time=min(0.9 * temperature**0.15, 0.95))


def choose(logits: FloatArray, temperature: float, random: FloatArray, top_p: float = 1.0) -> IntArray:
    """Samples one class per row of logits [rows, classes], given uniform random numbers [rows]."""
    scaled = logits.astype(np.float64) / max(temperature, 1e-3)
    probabilities = np.exp(scaled - scaled.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    if top_p < 1:
        order = np.argsort(-probabilities, 1, kind="stable")
        ordered = np.take_along_axis(probabilities, order, 1)
        ordered[np.cumsum(ordered, 1) - ordered >= top_p] = 0
        np.put_along_axis(probabilities, order, ordered, 1)
    sums = np.cumsum(probabilities, 1)
    return np.minimum((sums <= random[:, None] * sums[:, -1:]).sum(1), logits.shape[1] - 1)


class Servo:
    """Controls density, register and level of each row in a closed loop."""

    SPANS = 4.0, 16.0
    """Windows, in seconds: density is measured over both, register and level over the first."""
    END_GAIN = 2.0
    """Nats added to the end-of-latent logit, per window and unit of ln(played / requested density)."""
    KEY_GAIN = 0.02
    """Slope over the keys, in nats per semitone, for each semitone of error in the mean pitch."""
    MAX_KEY_SLOPE = 0.12
    VELOCITY_GAIN = 0.03
    """Slope over the velocity classes, in nats per class, for each unit of error in the mean velocity."""
    MAX_VELOCITY_SLOPE = 0.3
    RATE_OFFSET = 0.7
    """Notes per second added to both rates before they are compared, so that rests do not dominate."""
    FADE_IN = 24
    """Number of latents over which the correction of the density is faded in at the start."""

    def __init__(self, rows: int, latents: int) -> None:
        self._count = np.zeros((rows, latents + 1))
        self._pitch = np.zeros((rows, latents + 1))
        self._velocity = np.zeros((rows, latents + 1))

    def count(self, rows: IntArray, latent: int, keys: IntArray, velocities: IntArray) -> None:
        """Counts one played note in each of `rows`; `keys` and velocity classes are [rows]."""
        self._count[rows, latent] += 1
        self._pitch[rows, latent] += keys + LOWEST_KEY
        self._velocity[rows, latent] += (velocities + 0.5) * VELOCITY_WIDTH

    def end_bias(self, latent: int, requested: FloatArray) -> FloatArray:
        """Returns the bias of the end-of-latent logit [rows].

        `requested` [rows] are notes per second; NaN if unspecified.
        """
        bias = np.zeros(len(self._count))
        for span in self.SPANS:
            first = max(0, latent - round(span / LATENT_SECONDS))
            rate = self._count[:, first:latent].sum(1) / (max(latent - first, 1) * LATENT_SECONDS)
            bias += self.END_GAIN * np.log((rate + self.RATE_OFFSET) / (requested + self.RATE_OFFSET))
        return np.nan_to_num(np.clip(bias, -3, 3)) * min(1.0, latent / self.FADE_IN)

    def _slope(self, latent: int, sums: FloatArray, requested: FloatArray, gain: float, limit: float) -> FloatArray:
        """Returns the slope of a bias [rows, 1] that moves the recent mean towards the requested value [rows]."""
        first = max(0, latent - round(self.SPANS[0] / LATENT_SECONDS))
        count = self._count[:, first:latent].sum(1)
        mean = sums[:, first:latent].sum(1) / np.maximum(count, 1)
        slope = np.where(count > 3, np.clip(gain * (requested - mean), -limit, limit), 0)
        return np.nan_to_num(slope)[:, None]

    def key_bias(self, latent: int, requested: FloatArray) -> FloatArray:
        """Returns the bias of the key logits [rows, 88], given the requested mean note number [rows]."""
        slope = self._slope(latent, self._pitch, requested, self.KEY_GAIN, self.MAX_KEY_SLOPE)
        return slope * (np.arange(KEYS) - KEYS // 2)

    def velocity_bias(self, latent: int, requested: FloatArray) -> FloatArray:
        """Returns the bias of the velocity logits [rows, 32], given the requested mean velocity [rows]."""
        slope = self._slope(latent, self._velocity, requested, self.VELOCITY_GAIN, self.MAX_VELOCITY_SLOPE)
        return slope * (np.arange(VELOCITIES) - VELOCITIES // 2)
