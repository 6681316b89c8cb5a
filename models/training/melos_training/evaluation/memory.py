"""Whether the networks play training pieces by heart: the longest run of intervals shared with any of them."""

import numpy as np


def melody(onsets, gap=0.03):
    """The highest notes of successive chords: onsets [n, 2] (seconds, pitch) in order, those within `gap` are one chord."""
    tops, begun = [], -1.0
    for time, pitch in onsets:
        if time - begun < gap:
            tops[-1] = max(tops[-1], pitch)
        else:
            tops.append(pitch)
            begun = time
    return np.array(tops, int)


def runs(pitches, length):
    """All runs of so many intervals, the same in every key."""
    steps = np.diff(pitches)
    return {tuple(steps[i:i + length]) for i in range(len(steps) - length + 1)}


def longest_shared(pitches, pieces, longest=64):
    """Notes in the longest run that `pitches` shares, in any key, with one of `pieces`."""
    for length in range(1, longest):
        mine = runs(pitches, length)
        if not any(mine & runs(piece, length) for piece in pieces):
            return length
    return longest
