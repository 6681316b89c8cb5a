"""Whether the chord that was asked for is heard: the share of constant-Q chroma inside its triad, less transposed triads."""

import numpy as np

from .describe import HOP, chroma, constant_q
from .renders import RATE


def margin(samples, chords):
    """`chords`: (first second, pitch classes of the triad) in order. The share of chroma energy inside the triads, less its mean over
    the triads moved by 1 to 11 semitones; and the share itself."""
    energy = chroma(constant_q(samples) ** 2)
    at = np.arange(energy.shape[1]) * HOP / RATE
    index = np.searchsorted([start for start, _ in chords], at, "right") - 1
    asked = np.zeros_like(energy)
    for frame, chord in enumerate(index):
        if chord >= 0:
            asked[list(chords[chord][1]), frame] = 1
    energy, asked = energy[:, asked.any(0)], asked[:, asked.any(0)]
    shares = [(energy * np.roll(asked, turn, 0)).sum() / energy.sum() for turn in range(12)]
    return shares[0] - np.mean(shares[1:]), shares[0]


def planned(plan):
    """Chords of a rendering's plan: root, third and fifth of each."""
    return [(entry["seconds"], entry["pitch_classes"][:3]) for entry in plan]


def labelled(path, begin):
    """Chords of a POP909 `chord_midi.txt`, on the clock of an excerpt that begins at `begin`; triads by their quality, spans without a chord have no pitch classes."""
    roots = {name: pitch for pitch, names in enumerate(
        ("C B#", "C# Db", "D", "D# Eb", "E Fb", "F E#", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B Cb")) for name in names.split()}
    triads = {"min": (0, 3, 7), "dim": (0, 3, 6), "hdim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7)}
    chords = []
    for line in path.read_text().splitlines():
        start, _, name = line.split("\t")
        root, _, quality = name.partition(":")
        intervals = next((triad for kind, triad in triads.items() if quality.startswith(kind)), (0, 4, 7))
        chords.append((float(start) - begin, [] if name == "N" else [(roots[root] + i) % 12 for i in intervals]))
    return chords
