"""Units and classes used throughout the composer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

LATENT_SECONDS = 4096 / 48000
"""Duration of one latent of the pianist in seconds."""
OFFSETS = 8
"""Positions within a latent at which a note can start."""
STEP = LATENT_SECONDS / OFFSETS
"""Seconds between offsets."""

LOWEST_KEY = 21
KEYS = 88

VOICES = 2
"""Number of voices: the accompaniment (0) and the melody (1)."""
ACCOMPANIMENT, MELODY = 0, 1
NO_MELODY = KEYS
"""Stands for the melody's last key before the melody's first note."""

VELOCITY_WIDTH = 4
VELOCITIES = 128 // VELOCITY_WIDTH
UNKNOWN_VELOCITY = VELOCITIES
"""The velocity class of notes in a score without dynamics."""

DURATIONS = 24
MIN_DURATION, MAX_DURATION = 0.03, 6.0
"""Key-down time, in seconds, of the first and last class; classes are evenly spaced on a logarithmic scale."""

PEDAL_UP, PEDAL_DOWN, PEDAL_CHANGED, PEDAL_UNKNOWN = 0, 1, 2, 3
"""The pedal actions of a latent: up at its end, down, lifted and pressed again, not recorded."""
PEDALS = 3
"""Number of pedal actions that the network predicts."""

LAGS = (1, 2, 4, 8)
"""Distance, in bars, of each fixed slot of the memory; one more slot holds the bar that the form recalls."""
SLOTS = len(LAGS) + 1
RECALL_SLOT = len(LAGS)
SLOT_WIDTH = VOICES * KEYS + OFFSETS + VELOCITIES + 1 + DURATIONS
"""Number of counts in a slot: struck keys of each voice, then the offsets, velocities and durations of these notes."""
MEMORY_WIDTH = SLOTS * SLOT_WIDTH

SOUNDING_WIDTH = 2 * KEYS
"""Number of levels: keys held down, then strings that only the pedal sustains."""


def duration_class(seconds: FloatArray) -> IntArray:
    """Returns the classes of key-down times in seconds."""
    position = np.log(np.maximum(seconds, 1e-3) / MIN_DURATION) / np.log(MAX_DURATION / MIN_DURATION)
    return np.clip(np.round(position * (DURATIONS - 1)), 0, DURATIONS - 1).astype(np.int64)


def duration_seconds(classes: IntArray) -> FloatArray:
    """Returns the key-down times of classes, in seconds."""
    return MIN_DURATION * (MAX_DURATION / MIN_DURATION) ** (np.asarray(classes, np.float64) / (DURATIONS - 1))


def velocity_class(velocity: FloatArray) -> IntArray:
    """Returns the classes of MIDI velocities, 0..127, which may be fractional."""
    return np.clip(np.asarray(velocity) // VELOCITY_WIDTH, 0, VELOCITIES - 1).astype(np.int64)
