"""Measures whether the requested chord is audible: how much more chroma its triad has than its transpositions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats
from .describe import HOP, chroma, constant_q
from .renders import RATE
from .written import chord_starts

Chord = tuple[float, list[int]]
"""Start in seconds, and pitch classes (empty if there is no chord)."""


def margin(samples: Floats, chords: Sequence[Chord]) -> tuple[float, float]:
    """Returns the margin of the triads in constant-Q chroma, and the share of chroma inside the triads.

    The margin is this share minus its mean over the triads transposed by 1 to 11 semitones. `chords` are in order of
    time.
    """
    energy = chroma(constant_q(samples) ** 2)
    times = np.arange(energy.shape[1]) * HOP / RATE
    index = np.searchsorted([start for start, _ in chords], times, "right") - 1
    requested = np.zeros_like(energy)
    for frame, chord in enumerate(index):
        if chord >= 0:
            requested[list(chords[chord][1]), frame] = 1
    energy, requested = energy[:, requested.any(0)], requested[:, requested.any(0)]
    shares = [(energy * np.roll(requested, shift, 0)).sum() / energy.sum() for shift in range(12)]
    return float(shares[0] - np.mean(shares[1:])), float(shares[0])


def planned_chords(plan: Sequence[dict[str, Any]]) -> list[Chord]:
    """Returns the chords of a rendering's plan, reduced to triads."""
    return [(start, entry["pitch_classes"][:3]) for start, entry in zip(chord_starts(plan), plan, strict=True)]


def labelled_chords(path: Path, origin: float) -> list[Chord]:
    """Reads the chords in a `chord_midi.txt` of POP909, with times relative to `origin`."""
    roots = {
        name: pitch
        for pitch, names in enumerate(
            ("C B#", "C# Db", "D", "D# Eb", "E Fb", "F E#", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B Cb")
        )
        for name in names.split()
    }
    triads = {
        "min": (0, 3, 7),
        "dim": (0, 3, 6),
        "hdim": (0, 3, 6),
        "aug": (0, 4, 8),
        "sus2": (0, 2, 7),
        "sus4": (0, 5, 7),
    }
    chords: list[Chord] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        start, _, name = line.split("\t")
        root, _, quality = name.partition(":")
        intervals = next((triad for kind, triad in triads.items() if quality.startswith(kind)), (0, 4, 7))
        chords.append((float(start) - origin, [] if name == "N" else [(roots[root] + i) % 12 for i in intervals]))
    return chords
