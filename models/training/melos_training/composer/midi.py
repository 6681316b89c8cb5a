"""Reads MIDI files as the performance of one pianist."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from .layout import (
    ACCOMPANIMENT,
    KEYS,
    LOWEST_KEY,
    MELODY,
    BoolArray,
    FloatArray,
    IntArray,
)

DRUMS = 9
SUSTAIN = 64
DOUBLING_WINDOW = 0.012
"""Seconds within which two onsets of a key count as one note that is doubled in two tracks."""
MAX_SUSTAIN = 4.0
"""Maximum time, in seconds, that the pedal sustains a note: some files have a stuck pedal, and strings decay anyway."""
CHORD_WINDOW = 0.03
"""Seconds within which onsets belong to the same chord."""


@dataclass
class Performance:
    """Notes in order of onset, then key, and the pedal. Times are in seconds."""

    onset: FloatArray
    key_up: FloatArray
    pitch: IntArray
    """MIDI note numbers."""
    velocity: FloatArray
    voice: IntArray
    """1 for notes of the melody."""
    pedal_times: FloatArray
    """When the sustain pedal goes down or up."""
    pedal_down: BoolArray
    """Whether the pedal is down from each of these times on."""

    def damped(self) -> FloatArray:
        """Returns when each note is damped: when key and pedal are up, or when the key is struck again.

        The pedal sustains a note for at most `MAX_SUSTAIN` seconds.
        """
        ends = self.key_up.copy()
        if len(self.pedal_times):
            index = np.searchsorted(self.pedal_times, self.key_up, "right") - 1
            held = (index >= 0) & self.pedal_down[np.maximum(index, 0)]
            ups = np.append(self.pedal_times[~self.pedal_down], np.inf)
            release = ups[np.searchsorted(ups, self.key_up)]
            ends = np.where(held, np.minimum(release, self.key_up + MAX_SUSTAIN), ends)
        for key in np.unique(self.pitch):
            indices = np.flatnonzero(self.pitch == key)
            ends[indices[:-1]] = np.minimum(ends[indices[:-1]], self.onset[indices[1:]])
        return ends


@dataclass
class Score:
    """A MIDI file: the performance and its metrical clock."""

    performance: Performance
    ticks_per_quarter: int
    tempo: list[tuple[int, float, float]]
    """Tempo changes: (tick, its time in seconds, seconds per tick from then on)."""
    metres: list[tuple[int, int, int]]
    """Time signatures: (tick, numerator, denominator)."""
    last_tick: int


def read(path: Path) -> Score:
    """Reads all channels except drums as one piano part, with the pedal of the channel that uses it most.

    Raises `ValueError` if the file has no notes.
    """
    file = mido.MidiFile(path, clip=True)
    events: list[tuple[int, int, mido.Message]] = []
    names: dict[int, str] = {}
    for index, track in enumerate(file.tracks):
        tick = 0
        names[index] = track.name.strip().upper()
        for message in track:
            tick += message.time
            events.append((tick, index, message))
    events.sort(key=lambda event: event[0])
    pedals = Counter(
        (number, message.channel)
        for _, number, message in events
        if message.type == "control_change" and message.control == SUSTAIN and message.channel != DRUMS
    )
    pedal_of = pedals.most_common(1)[0][0] if pedals else None
    tempo = [(0, 0.0, 0.5 / file.ticks_per_beat)]
    metres: list[tuple[int, int, int]] = []
    down: dict[tuple[int, int, int], tuple[float, int]] = {}
    notes: list[tuple[float, float, int, float, int]] = []
    pedal: list[tuple[float, bool]] = []
    now = 0.0
    for tick, number, message in events:
        from_tick, seconds, rate = tempo[-1]
        now = seconds + (tick - from_tick) * rate
        if message.type == "set_tempo":
            tempo.append((tick, now, message.tempo * 1e-6 / file.ticks_per_beat))
        elif message.type == "time_signature":
            metres.append((tick, message.numerator, message.denominator))
        elif message.type in ("note_on", "note_off") and message.channel != DRUMS:
            key = (number, message.channel, message.note)
            before = down.pop(key, None)
            if before and now > before[0]:
                notes.append((before[0], now, message.note, before[1], int(names[number] == "MELODY")))
            if message.type == "note_on" and message.velocity:
                down[key] = (now, message.velocity)
        elif message.type == "control_change" and message.control == SUSTAIN and (number, message.channel) == pedal_of:
            state = message.value >= 64
            if not pedal or pedal[-1][1] != state:
                pedal.append((now, state))
    for (number, _, pitch), (onset, velocity) in down.items():
        if now > onset:
            notes.append((onset, now, pitch, velocity, int(names[number] == "MELODY")))
    if not notes:
        raise ValueError(f"{path}: no notes")
    table = _one_string_per_key(np.array(notes, np.float64))
    performance = Performance(
        onset=table[:, 0],
        key_up=table[:, 1],
        pitch=table[:, 2].astype(np.int64),
        velocity=table[:, 3],
        voice=table[:, 4].astype(np.int64),
        pedal_times=np.array([time for time, _ in pedal], np.float64),
        pedal_down=np.array([state for _, state in pedal], np.bool_),
    )
    if not performance.voice.any():
        performance.voice = skyline(performance)
    return Score(performance, file.ticks_per_beat, tempo, metres, events[-1][0])


def _one_string_per_key(notes: FloatArray) -> FloatArray:
    """Joins notes doubled in two tracks, ends a note when its key is struck again, and drops notes off the keyboard."""
    inside = (notes[:, 2] >= LOWEST_KEY) & (notes[:, 2] < LOWEST_KEY + KEYS)
    notes = notes[inside]
    notes = notes[np.lexsort((notes[:, 0], notes[:, 2]))]
    kept: list[FloatArray] = []
    for note in notes:
        before = kept[-1] if kept else None
        if before is not None and before[2] == note[2] and before[1] > note[0]:
            if note[0] - before[0] < DOUBLING_WINDOW:
                before[[1, 3, 4]] = np.maximum(before[[1, 3, 4]], note[[1, 3, 4]])
                continue
            before[1] = note[0]
        kept.append(note.copy())
    table = np.array(kept).reshape(-1, 5)
    return table[np.lexsort((table[:, 2], table[:, 0]))]


def skyline(performance: Performance) -> IntArray:
    """Returns the voice of each note: the melody consists of the notes with no higher key sounding."""
    voice = np.full(len(performance.pitch), ACCOMPANIMENT, np.int64)
    longest = float((performance.key_up - performance.onset).max(initial=0.0))
    first = np.searchsorted(performance.onset, performance.onset - min(longest, 8.0))
    last = np.searchsorted(performance.onset, performance.onset + CHORD_WINDOW, "right")
    for index, (start, end) in enumerate(zip(first, last)):
        higher = performance.pitch[start:end] > performance.pitch[index]
        sounding = performance.key_up[start:end] > performance.onset[index] + CHORD_WINDOW
        if not (higher & sounding).any():
            voice[index] = MELODY
    return voice


def beats(score: Score) -> FloatArray:
    """Returns the beats of a score with a single metre, [n, 3]: seconds, position in the bar, beats per bar.

    The position is −1 (unknown), because a file does not state whether it starts with an upbeat. The result is
    empty if the metre changes or is missing.
    """
    if len({metre[1:] for metre in score.metres}) != 1:
        return np.zeros((0, 3))
    _, numerator, denominator = score.metres[0]
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    length = 4 * score.ticks_per_quarter // denominator * (3 if compound else 1)
    per_bar = numerator // 3 if compound else numerator
    ticks = np.arange(0, score.last_tick + 1, max(length, 1))
    clock = np.array(score.tempo)
    segment = np.searchsorted(clock[:, 0], ticks, "right") - 1
    seconds = clock[segment, 1] + (ticks - clock[segment, 0]) * clock[segment, 2]
    return np.stack([seconds, np.full(len(ticks), -1.0), np.full(len(ticks), float(per_bar))], 1)
