"""Measures features of performances: notes, rhythm, melodic lines, harmony and repetition."""

from dataclasses import dataclass

import numpy as np

from .form import Form
from .grid import BeatGrid
from .layout import FloatArray, IntArray
from .library import Song
from .midi import Performance
from .mood import key_fit
from .view import View

GROUP = 0.05
"""Seconds within which onsets count as simultaneous."""
LOW = 55
"""Notes below this MIDI note number count as low."""
MIN_NOTES = 12
LAGS = (1, 2, 4, 8)
"""Distances in bars at which bars are compared."""
CHANCE_LAGS = (3, 5, 7)
"""Distances in bars at which similarity is due to chance, because pop phrases do not have these lengths."""
CELLS = 4
"""Divisions of a beat when bars are compared."""
CHROMA_STEP = 0.5
"""Length of a chroma frame in seconds."""
ROLL_STEP = 0.125
"""Time step of the roll in seconds."""
MAX_LENGTH = 4.0
"""Note lengths are limited to this many seconds."""


@dataclass
class Setting:
    """The beats and chords of an excerpt; times are in seconds from its start."""

    grid: BeatGrid
    chord_start: FloatArray
    chord_bits: IntArray
    chord_bass: IntArray

    @classmethod
    def of(cls, song: Song, view: View) -> "Setting":
        """Returns the setting of a window of a song. Raises `ValueError` if the song has no beats or no chords."""
        if not len(song.chords) or not len(song.beats):
            raise ValueError(f"{song.name}: no beats or no chords")
        starts = song.chords[:, 0] * view.ratio - view.start
        return cls(BeatGrid.of(song, view), starts, song.chords[:, 2].astype(int), song.chords[:, 3].astype(int))

    def chord(self, seconds: FloatArray) -> tuple[IntArray, IntArray]:
        """Returns the chords at some times: pitch classes as bits, and bass (−1 if there is none).

        Chords begin 20 ms early, so that slightly early notes belong to them.
        """
        index = np.clip(np.searchsorted(self.chord_start, seconds + 0.02, "right") - 1, 0, len(self.chord_start) - 1)
        return self.chord_bits[index], self.chord_bass[index]


def excerpt(performance: Performance, start: float, end: float, shift: float = 0.0) -> Performance:
    """Returns the notes that begin between two times, and the whole pedal, moved `shift` seconds earlier."""
    inside = (performance.onset >= start) & (performance.onset < end)
    return Performance(
        performance.onset[inside] - shift,
        performance.key_up[inside] - shift,
        performance.pitch[inside],
        performance.velocity[inside],
        performance.voice[inside],
        performance.pedal_times - shift,
        performance.pedal_down,
    )


def entropy(counts: FloatArray) -> float:
    """Returns the entropy of counts in bits."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def features(performance: Performance, setting: Setting, start: float = 4.0, end: float = 40.0) -> dict[str, float]:
    """Returns all features of the notes that begin between `start` and `end` seconds; empty if there are too few."""
    part = excerpt(performance, start, end)
    if len(part.onset) < MIN_NOTES:
        return {}
    return {
        **_notes(part, end - start),
        **_rhythm(part, setting, start, end),
        **_lines(part),
        **_harmony(part, setting, start, end),
        **_repetition(part, setting, start, end),
    }


def _groups(part: Performance) -> IntArray:
    """Returns the index of each note's group."""
    return np.concatenate([[0], np.cumsum(np.diff(part.onset) > GROUP)])


def _notes(part: Performance, seconds: float) -> dict[str, float]:
    group = np.bincount(_groups(part))
    held = np.clip(part.key_up - part.onset, 0, MAX_LENGTH)
    sounding = np.clip(part.damped() - part.onset, 0, MAX_LENGTH)
    lifts = int((~part.pedal_down & (part.pedal_times > part.onset[0]) & (part.pedal_times < part.onset[-1])).sum())
    return {
        "notes/s": len(part.onset) / seconds,
        "groups/s": len(group) / seconds,
        "notes/group": float(group.mean()),
        "chords of 3 or more": float((group >= 3).mean()),
        "key down, s": float(held.mean()),
        "key down cv": float(held.std() / held.mean()),
        "sounding, s": float(sounding.mean()),
        "velocity": float(part.velocity.mean()),
        "velocity sd": float(part.velocity.std()),
        "pedal lifts/s": lifts / seconds,
        "pitch": float(part.pitch.mean()),
        "pitch range 90": float(np.percentile(part.pitch, 95) - np.percentile(part.pitch, 5)),
        "note entropy": entropy(np.bincount(part.pitch, minlength=128).astype(float)),
    }


def _rhythm(part: Performance, setting: Setting, start: float, end: float) -> dict[str, float]:
    first = np.flatnonzero(np.diff(_groups(part), prepend=-1))
    onsets = part.onset[first]
    gaps = np.diff(onsets)
    gaps = gaps[gaps > 0.03]
    beats = setting.grid.beats(part.onset)
    sixteenths = np.abs((beats * 4 + 0.5) % 1 - 0.5)
    length = round(setting.grid.bar_length * CELLS)
    metre = np.bincount(np.round(setting.grid.bar_phase(beats) * length).astype(int) % length, minlength=length)
    windows = np.arange(start, end - 3.9, 2)
    density = np.array([((onsets >= t) & (onsets < t + 4)).sum() for t in windows])
    return {
        "ioi cv": float(gaps.std() / gaps.mean()),
        "ioi entropy": entropy(np.histogram(np.log2(gaps), np.arange(-5, 3, 0.25))[0].astype(float)),
        "on 16ths": float((sixteenths < 0.15).mean()),
        "half-beat strength": float(np.abs(np.exp(4j * np.pi * beats).mean())),
        "metre entropy": entropy(metre.astype(float)),
        "density cv": float(density.std() / max(density.mean(), 1e-9)),
    }


def _line(pitch: IntArray) -> tuple[float, float, float]:
    """Returns the shares of repeated notes, of steps, and of leaps of more than a fifth."""
    steps = np.abs(np.diff(pitch))
    if not len(steps):
        return np.nan, np.nan, np.nan
    return float((steps == 0).mean()), float(((steps > 0) & (steps <= 2)).mean()), float((steps > 7).mean())


def _lines(part: Performance) -> dict[str, float]:
    group = _groups(part)
    tops = np.zeros(group[-1] + 1, int)
    np.maximum.at(tops, group, part.pitch)
    repeat, step, leap = _line(tops)
    melody = part.pitch[part.voice == 1]
    melody_repeat, melody_step, melody_leap = _line(melody)
    return {
        "top repeats": repeat,
        "top steps": step,
        "top leaps": leap,
        "melody share": float((part.voice == 1).mean()),
        "melody repeats": melody_repeat,
        "melody steps": melody_step,
        "melody leaps": melody_leap,
    }


def _harmony(part: Performance, setting: Setting, start: float, end: float) -> dict[str, float]:
    bits, bass = setting.chord(part.onset)
    pitch_class = part.pitch % 12
    inside = (bits >> pitch_class & 1).astype(float)
    labelled, low = bits > 0, part.pitch < LOW
    classes, clarity = [], []
    for t in np.arange(start, end - 7.9, 4):
        window = (part.onset >= t) & (part.onset < t + 8)
        if window.sum() > 5:
            held = np.maximum(part.key_up - part.onset, 0.03)[window]
            sums = np.bincount(pitch_class[window], weights=held, minlength=12).astype(float)
            classes.append(entropy(sums))
            clarity.append(max(key_fit(sums)))
    chroma = np.zeros((int((end - start) / CHROMA_STEP), 12))
    for onset, damped, number in zip(part.onset - start, part.damped() - start, pitch_class):
        for cell in range(int(onset / CHROMA_STEP), min(int(damped / CHROMA_STEP) + 1, len(chroma))):
            chroma[cell, number] += min(damped, (cell + 1) * CHROMA_STEP) - max(onset, cell * CHROMA_STEP)
    chroma /= np.linalg.norm(chroma, axis=1, keepdims=True) + 1e-9
    return {
        "pc entropy": entropy(np.bincount(pitch_class, minlength=12).astype(float)),
        "pc entropy 8 s": float(np.mean(classes)) if classes else np.nan,
        "key clarity 8 s": float(np.mean(clarity)) if clarity else np.nan,
        "in chord": float(inside[labelled].mean()) if labelled.any() else np.nan,
        "in chord, low": float(inside[labelled & low].mean()) if (labelled & low).any() else np.nan,
        "on bass, low": float((pitch_class == bass)[labelled & low].mean()) if (labelled & low).any() else np.nan,
        "chroma change": float(1 - (chroma[1:] * chroma[:-1]).sum(1).mean()),
    }


def bars_alike(part: Performance, grid: BeatGrid, start: float, end: float) -> dict[str, float]:
    """Returns the mean cosine similarity between the struck keys of bars, by their distance in bars."""
    length = grid.bar_length
    phase = grid.bar_phase(grid.beats(np.array([start])))[0]
    first = grid.beats(np.array([start]))[0] + (1 - phase) % 1 * length
    bars = int((grid.beats(np.array([end]))[0] - first) // length)
    cells = round(length * CELLS)
    roll: FloatArray = np.zeros((max(bars, 0) * cells, 128), np.float32)
    cell = np.round((grid.beats(part.onset) - first) * CELLS).astype(int)
    inside = (cell >= 0) & (cell < len(roll))
    roll[cell[inside], part.pitch[inside]] = 1
    flat = roll.reshape(max(bars, 0), -1)
    norms = np.linalg.norm(flat, axis=1)

    def similarity(lag: int) -> float:
        if bars <= lag:
            return np.nan
        products = (flat[lag:] * flat[:-lag]).sum(1)
        both = norms[lag:] * norms[:-lag]
        return float((products[both > 0] / both[both > 0]).mean()) if (both > 0).any() else np.nan

    chance = [similarity(lag) for lag in CHANCE_LAGS]
    measured = {f"bars alike {lag}": similarity(lag) for lag in LAGS}
    return measured | {"bars alike by chance": float(np.mean(chance))}


def _repetition(part: Performance, setting: Setting, start: float, end: float) -> dict[str, float]:
    roll = np.zeros((int((end - start) / ROLL_STEP), 128))
    roll[np.minimum(((part.onset - start) / ROLL_STEP).astype(int), len(roll) - 1), part.pitch] = 1
    soft = roll.copy()
    soft[1:] += 0.5 * roll[:-1]
    soft[:-1] += 0.5 * roll[1:]
    similarity = []
    for lag in range(8, len(soft) // 2):
        later, earlier = soft[lag:], soft[:-lag]
        similarity.append((later * earlier).sum() / np.sqrt((later**2).sum() * (earlier**2).sum() + 1e-9))
    return {
        "roll repeats": float(max(similarity) - np.median(similarity)),
        **bars_alike(part, setting.grid, start, end),
    }


def recalled_alike(performance: Performance, grid: BeatGrid, form: Form) -> float:
    """Returns the mean cosine similarity between bars and the bars that they recall, at least three bars earlier.

    Returns NaN if there are no such pairs.
    """
    cells = round(grid.bar_length * CELLS)
    beats = grid.beats(performance.onset)
    bar = grid.bar(beats + 0.5 / CELLS)
    rolls: dict[int, FloatArray] = {}
    for number in np.unique(bar[bar >= 0]):
        in_bar = bar == number
        cell = np.round((beats[in_bar] - form.start[number]) * CELLS).astype(int)
        roll = np.zeros((cells, 128), np.float32)
        fits = (cell >= 0) & (cell < cells)
        roll[cell[fits], performance.pitch[in_bar][fits]] = 1
        rolls[int(number)] = roll / max(float(np.linalg.norm(roll)), 1e-6)
    first = min(rolls, default=0) + 1
    similarity = [
        float((roll * rolls[source]).sum())
        for number, roll in rolls.items()
        if first <= (source := int(form.source[number])) < number - 2 and source in rolls
    ]
    return float(np.mean(similarity)) if similarity else np.nan
