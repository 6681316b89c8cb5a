"""Computes the piano roll: notes and pedal of a shard, hop by hop."""

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..data import Shard
from .layout import CHANNELS, FAST_DECAY, HOP_SECONDS, KEYS, LOWEST_KEY, PEDAL, SLOW_DECAY


@dataclass(frozen=True)
class Performance:
    """Notes and pedal; times are in seconds."""

    notes: Floats
    """Onset, end of the sound, MIDI note number, velocity: [n, 4], in order of onset."""
    key_up: Floats
    """Time at which the key of each note is released: [n]."""
    pedal: Floats
    """Movements of the pedal, as time and whether it is down: [m, 2]; empty if unknown."""

    @classmethod
    def of(cls, shard: Shard) -> "Performance":
        """Reads the performance of a shard."""
        return cls(shard.read("notes"), shard.read("key_up"), shard.read("pedal"))


def _split(channel: Floats, time: float, key: int, value: float) -> None:
    """Splits a value between the two nearest hops by linear interpolation."""
    first = int(np.floor(time))
    part = time - first
    for hop, weight in ((first, 1 - part), (first + 1, part)):
        if 0 <= hop < len(channel):
            channel[hop, key] = max(channel[hop, key], value * weight)


def roll(performance: Performance, start: int, hops: int) -> Floats:
    """Returns the piano roll from hop `start` on, [hops, ROLL]."""
    out = np.zeros((hops, len(CHANNELS), KEYS), np.float32)
    attack, attack_velocity, held, fast_decay, slow_decay, release = out.swapaxes(0, 1)
    onset, end = performance.notes[:, 0] / HOP_SECONDS - start, performance.notes[:, 1] / HOP_SECONDS - start
    for index in np.flatnonzero((onset < hops) & (end > -1)):
        key = int(performance.notes[index, 2]) - LOWEST_KEY
        if not 0 <= key < KEYS:
            continue
        velocity = performance.notes[index, 3] / 127
        _split(attack, onset[index], key, 1.0)
        _split(attack_velocity, onset[index], key, velocity)
        _split(release, performance.key_up[index] / HOP_SECONDS - start, key, 1.0)
        first, last = max(0, int(np.floor(onset[index]))), min(hops, int(np.ceil(end[index])))
        if last > first:
            age = np.maximum(np.arange(first, last) - onset[index], 0) * HOP_SECONDS
            held[first:last, key] = velocity
            fast_decay[first:last, key] = velocity * np.exp(-age / FAST_DECAY)
            slow_decay[first:last, key] = velocity * np.exp(-age / SLOW_DECAY)
    return np.concatenate([out.reshape(hops, -1), _pedal(performance.pedal, start, hops)], 1)


def _pedal(pedal: Floats, start: int, hops: int) -> Floats:
    """Returns whether the pedal is down at the end of each hop, and whether that is known: [hops, 2]."""
    out = np.zeros((hops, PEDAL), np.float32)
    if len(pedal):
        ends = (start + 1 + np.arange(hops)) * HOP_SECONDS
        last = np.searchsorted(pedal[:, 0], ends, "right") - 1
        before = 1 - pedal[0, 1]
        out[:, 0] = np.where(last >= 0, pedal[np.maximum(last, 0), 1], before)
        out[:, 1] = 1
    return out
