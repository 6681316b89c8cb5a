"""Whether the networks play training pieces by heart: the longest run of intervals shared with any of them."""

import mido
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


def midi_onsets(path):
    """Onsets [n, 2] (seconds, pitch) of a MIDI file, in order; percussion left out."""
    now, onsets = 0.0, []
    for message in mido.MidiFile(path, clip=True):
        now += message.time
        if message.type == "note_on" and message.velocity > 0 and message.channel != 9:
            onsets.append((now, message.note))
    return np.array(onsets).reshape(-1, 2)


class Repertoire:
    """The melodies of pieces, to be searched for runs."""

    def __init__(self, melodies):
        self.steps = [np.diff(melody) for melody in melodies]
        self._runs = {}

    def _of(self, length):
        if length not in self._runs:
            self._runs[length] = [runs(steps, length) for steps in self.steps]
        return self._runs[length]

    def longest_shared(self, melody, without=None, longest=64):
        """Notes in the longest run that a melody shares, in any key, with one of the pieces but number `without`."""
        steps = np.diff(melody)
        for length in range(1, longest):
            mine = runs(steps, length)
            if not any(mine & theirs for index, theirs in enumerate(self._of(length)) if index != without):
                return length
        return longest


def runs(steps, length):
    """All runs of so many intervals."""
    return {tuple(steps[i:i + length]) for i in range(len(steps) - length + 1)}
