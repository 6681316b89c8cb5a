"""Choosing from logits."""

from dataclasses import dataclass

import numpy as np

from .layout import FRAME, KEYS, LOWEST_KEY, FloatArray, IntArray


@dataclass(frozen=True)
class Taste:
    """How the notes are chosen. Temperatures divide logits; 1 is as in the music that was learnt."""

    harmony: float = 0.9
    """Temperature of keys and voices."""
    time: float = 0.9
    """Temperature of offsets and ends."""
    touch: float = 1.0
    """Temperature of velocities, durations and the pedal; below 1 playing becomes even and short."""
    top_p: float = 0.95
    """Share of the probability that keys are chosen from."""
    guidance: float = 1.0
    """How far the keys are led away from those that nothing told would get; 1 is not at all."""
    servo: float = 1.0
    """How firmly density and register are held."""

    @classmethod
    def of(cls, temperature: float) -> "Taste":
        """From 0.2, plain, over 1 to 2, adventurous.

        Keys become freer; time at most as free as in the music that was learnt, for looser time is not bolder music.
        """
        return cls(harmony=0.9 * temperature, time=min(0.9 * temperature, 1.0))


def choose(logits: FloatArray, temperature: float, dice: FloatArray, top_p: float = 1.0) -> IntArray:
    """One class for each row of logits [rows, classes], by dice [rows] in 0..1."""
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
    """Holds density and register in a closed loop, for each of some rows."""

    SPANS = 4.0, 16.0
    """Seconds over which what was played is compared with what was asked."""
    GAIN = 1.2
    """Nats on the end of a frame for each e-fold too many notes, for each span."""
    TILT = 0.02
    """Nats a semitone for each semitone too high."""
    MOST_TILT = 0.12
    AT_LEAST = 0.7
    """Notes per second added to both sides, so that rests do not count for too much."""
    TRUST = 24
    """Frames after which the loop is fully closed."""

    def __init__(self, rows: int, frames: int) -> None:
        self._count = np.zeros((rows, frames + 1))
        self._pitch = np.zeros((rows, frames + 1))
        self._frame = 0

    def played(self, rows: IntArray, frame: int, keys: IntArray) -> None:
        """Takes note of one note in each of some rows; frames in ascending order."""
        self._count[rows, frame] += 1
        self._pitch[rows, frame] += keys + LOWEST_KEY

    def end(self, frame: int, asked: FloatArray) -> FloatArray:
        """What to add to the end's logit [rows], given notes per second asked for [rows]; NaN where left free."""
        bias = np.zeros(len(self._count))
        for span in self.SPANS:
            first = max(0, frame - round(span / FRAME))
            rate = self._count[:, first:frame].sum(1) / (max(frame - first, 1) * FRAME)
            bias += self.GAIN * np.log((rate + self.AT_LEAST) / (asked + self.AT_LEAST))
        return np.nan_to_num(np.clip(bias, -3, 3)) * min(1.0, frame / self.TRUST)

    def tilt(self, frame: int, asked: FloatArray) -> FloatArray:
        """What to add to the logits of the keys [rows, 88], given the mean note number asked for [rows]."""
        first = max(0, frame - round(self.SPANS[0] / FRAME))
        count = self._count[:, first:frame].sum(1)
        mean = self._pitch[:, first:frame].sum(1) / np.maximum(count, 1)
        slope = np.where(count > 3, np.clip(-self.TILT * (mean - asked), -self.MOST_TILT, self.MOST_TILT), 0)
        return np.nan_to_num(slope)[:, None] * (np.arange(KEYS) - KEYS // 2)
