"""Cuts windows from songs: the network's inputs and the notes and pedal that it must predict."""

from dataclasses import dataclass

import numpy as np

from . import mood
from .conditions import (
    STEADY,
    Conditions,
    density,
    harmonics,
    length,
    loudness,
    register,
    tempo,
)
from .grid import BeatGrid
from .layout import (
    KEYS,
    LATENT_SECONDS,
    LOWEST_KEY,
    MELODY,
    NO_MELODY,
    OFFSETS,
    PEDAL_CHANGED,
    PEDAL_DOWN,
    PEDAL_UNKNOWN,
    PEDAL_UP,
    STEP,
    UNKNOWN_VELOCITY,
    BoolArray,
    FloatArray,
    IntArray,
    duration_class,
    velocity_class,
)
from .library import Song
from .memory import Entries, Memory
from .mood import Labeller
from .view import View

CHORD_HALF_WINDOW = 6
"""Number of latents before and after a latent's start whose sounding notes define the chord if there is no label."""
PEDAL_HALF_WINDOW = 4.0
"""Seconds on either side of each latent's centre over which the share of time with the pedal down is measured."""
HISTORY = 360.0
"""Seconds before a window from which notes can be in the memory: about as long as the daemon remembers."""
DECAY = 1.0
"""Time constant of the decay of a sounding key's level, in seconds."""


@dataclass
class Window:
    """A window of a song."""

    conditions: Conditions
    sounding: FloatArray
    """Levels of the sounding keys at the start of each latent, [latents, 176]."""
    melody: IntArray
    """The melody's last key before each latent, [latents], 0..87; 88 if there is none."""
    pedal_before: IntArray
    """The pedal action of the previous latent, [latents]."""
    pedal: IntArray
    """The pedal action of each latent, [latents]; PEDAL_UNKNOWN if not recorded."""
    pedal_offset: IntArray
    """Offset at which the pedal first moves, [latents], 0..7; −1 if it does not."""
    notes: IntArray
    """[notes, 6], in the order of prediction: latent (−1 before the window), offset, voice, key, velocity, duration."""
    memory: Entries


@dataclass
class _Notes:
    """The notes of a song near a window, stretched and transposed; times in seconds from the window's start."""

    onset: FloatArray
    key_up: FloatArray
    damped: FloatArray
    key: IntArray
    velocity: FloatArray
    voice: IntArray

    @classmethod
    def near(cls, song: Song, view: View) -> "_Notes":
        p = song.performance
        end = view.start + view.latents * LATENT_SECONDS + 6
        first, last = np.searchsorted(p.onset, [(view.start - HISTORY) / view.ratio, end / view.ratio])
        key = p.pitch[first:last] + view.shift - LOWEST_KEY
        inside = np.flatnonzero((key >= 0) & (key < KEYS)) + first

        def stretched(times: FloatArray) -> FloatArray:
            return times[inside] * view.ratio - view.start

        return cls(
            onset=stretched(p.onset),
            key_up=stretched(p.key_up),
            damped=stretched(song.damped),
            key=p.pitch[inside] + view.shift - LOWEST_KEY,
            velocity=p.velocity[inside],
            voice=p.voice[inside],
        )

    def roll(self, first: IntArray, end: IntArray, low: int, high: int, decay: bool) -> FloatArray:
        """Returns levels in latents low..high, [latents, 88]; each note sounds from its latent `first` until its `end`.

        Levels are 1; with `decay`, they fall from 1 in the latent `first` towards a quarter.
        """
        out = np.zeros((high - low, KEYS), np.float32)
        start, stop = np.maximum(first, low), np.minimum(end, high)
        runs = np.maximum(stop - start, 0)
        note = np.repeat(np.arange(len(runs)), runs)
        latent = start[note] + np.arange(len(note)) - np.repeat(np.cumsum(runs) - runs, runs)
        age = (latent - first[note]) * LATENT_SECONDS
        out[latent - low, self.key[note]] = 0.25 + 0.75 * np.exp(-age / DECAY) if decay else 1.0
        return out


def cut(song: Song, view: View, labeller: Labeller) -> Window:
    """Cuts the window of a song that a view defines."""
    notes = _Notes.near(song, view)
    step = np.round(notes.onset / STEP).astype(np.int64)
    latent = step // OFFSETS
    known = latent >= (0 if view.no_history else -(10**9))
    conditions = Conditions(view.latents)
    grid = BeatGrid.of(song, view) if len(song.beats) else None
    _set_mood(conditions, song, view, labeller)
    _set_harmony(conditions, song, view, notes, latent, grid)
    _set_density(conditions, song, view, notes)
    if grid:
        _set_metre(conditions, view, grid)
    pedal_before, pedal, pedal_offset = _set_pedal(conditions, song, view)
    if view.steady:
        for group in STEADY:
            conditions.average(group)

    key_up_latent = np.ceil(notes.key_up / LATENT_SECONDS).astype(np.int64)
    damped_latent = np.ceil(notes.damped / LATENT_SECONDS).astype(np.int64)
    # Hidden notes are moved far beyond the end of the window.
    delay = np.where(known, 0, 10**9)
    held = notes.roll(latent + 1 + delay, key_up_latent, 0, view.latents, True)
    sustained = notes.roll(np.maximum(key_up_latent, latent + 1) + delay, damped_latent, 0, view.latents, True)
    table = np.stack(
        [
            latent,
            step % OFFSETS,
            notes.voice,
            notes.key,
            np.full(len(latent), UNKNOWN_VELOCITY) if song.flat else velocity_class(notes.velocity),
            duration_class(notes.key_up - notes.onset),
        ],
        1,
    )
    memory = Memory(view.latents)
    if grid:
        past = known & (latent < view.latents)
        beats = grid.beats(notes.onset[past])
        memory.remember(table[past, 2:], beats, grid)
        memory.recall(table[past, 2:], beats, grid, song.form)
    inside = (latent >= (0 if view.no_history else -1)) & (latent < view.latents)
    written = table[inside]
    order = np.lexsort((written[:, 3], written[:, 1], written[:, 0]))
    written = written[order]
    distinct = (
        np.append(True, (np.diff(written[:, [0, 1, 3]], axis=0) != 0).any(1)) if len(written) else np.zeros(0, np.bool_)
    )
    melody = _last_melody(notes, latent, known, view.latents)
    return Window(
        conditions,
        np.concatenate([held, sustained], 1),
        melody,
        pedal_before,
        pedal,
        pedal_offset,
        written[distinct],
        memory.entries(),
    )


def _last_melody(notes: _Notes, latent: IntArray, known: BoolArray, latents: int) -> IntArray:
    """Returns the melody's last key before each latent, [latents]."""
    melody = np.flatnonzero((notes.voice == MELODY) & known)
    before = np.searchsorted(latent[melody], np.arange(latents)) - 1
    keys = np.append(notes.key[melody], NO_MELODY)
    return keys[np.where(before >= 0, before, len(melody))]


def _set_mood(conditions: Conditions, song: Song, view: View, labeller: Labeller) -> None:
    """Sets emotion and affect, which are labelled once per second."""
    middle = view.start + (np.arange(view.latents) + 0.5) * LATENT_SECONDS
    second = np.clip(np.round(middle / view.ratio), 0, len(song.features) - 1).astype(np.int64)
    low, high = int(second.min()), int(second.max()) + 1
    features = mood.transformed(song.features[low:high], song.lows[low:high], view.shift, view.ratio)
    weights, affect = labeller.label(features)
    known = ~np.isnan(features[:, mood.INDEX["density"]])[second - low]
    conditions.set("emotion", weights[second - low], known)
    conditions.set("affect", affect[second - low], known)


def _set_harmony(
    conditions: Conditions, song: Song, view: View, notes: _Notes, latent: IntArray, grid: BeatGrid | None
) -> None:
    """Sets chord and bass at every offset, and the next chord."""
    latents = view.latents
    if len(song.chords) and view.labelled_chords:
        chords = song.chords
        change = np.append(True, (np.diff(chords[:, 2:], axis=0) != 0).any(1))
        chords = chords[change]
        starts = chords[:, 0] * view.ratio - view.start
        end = song.chords[-1, 1] * view.ratio - view.start
        bits = (chords[:, 2].astype(np.int64)[:, None] >> ((np.arange(12) - view.shift) % 12)) & 1
        bass = np.eye(12)[(chords[:, 3].astype(np.int64) + view.shift) % 12] * (chords[:, 3:4] >= 0)
        # Onsets are rounded to the nearest step, so the chord half a step later applies.
        times = (np.arange(latents * OFFSETS) + 0.5) * STEP
        index = np.clip(np.searchsorted(starts, times, "right") - 1, 0, len(chords) - 1)
        sounding = (times >= starts[0]) & (times < end) & (chords[index, 2] > 0)
        known = sounding.reshape(latents, OFFSETS).any(1)
        conditions.set("chord", (bits[index] * sounding[:, None]).reshape(latents, OFFSETS, 12), known)
        before = np.append(np.searchsorted(starts, -STEP / 2, "right") - 1, index[OFFSETS - 1 : -1 : OFFSETS])
        changes = index[OFFSETS - 1 :: OFFSETS] != np.maximum(before, 0)
        conditions.set(
            "bass",
            (bass[index] * sounding[:, None]).reshape(latents, OFFSETS, 12),
            known & changes if view.sparse_bass else known,
        )
        latent_end = (np.arange(latents) + 1) * LATENT_SECONDS
        following = np.searchsorted(starts, latent_end - STEP / 2, "right")
        exists = following < len(chords)
        following = np.minimum(following, len(chords) - 1)
        exists &= chords[following, 2] > 0
        wait = starts[following] - latent_end
        if grid:
            wait = grid.beats(starts)[following] - grid.beats(latent_end)
        wait = np.maximum(wait, 0)[:, None]
        next_bass = np.zeros((latents, 12)) if view.sparse_bass else bass[following]
        conditions.set(
            "next", np.concatenate([bits[following], next_bass, np.exp(-wait), np.exp(-wait / 4)], 1), exists
        )
        return
    ends = np.ceil(notes.damped / LATENT_SECONDS).astype(np.int64)
    roll = notes.roll(latent, ends, -CHORD_HALF_WINDOW, latents + CHORD_HALF_WINDOW, False)
    sums = np.concatenate([np.zeros((1, KEYS)), np.cumsum(roll, 0)])
    counts = sums[2 * CHORD_HALF_WINDOW :] - sums[: latents + 1]
    counts = counts[:latents]
    chroma = np.zeros((latents, 12))
    for pitch_class in range(12):
        chroma[:, pitch_class] = counts[:, (np.arange(KEYS) + LOWEST_KEY) % 12 == pitch_class].sum(1)
    largest = chroma.max(1, keepdims=True)
    lowest = np.eye(12)[((counts > 0).argmax(1) + LOWEST_KEY) % 12]
    known = largest[:, 0] > 0
    for group, values in (("chord", chroma / np.maximum(largest, 1e-6)), ("bass", lowest)):
        if group != "bass" or not view.sparse_bass:
            conditions.set(group, np.repeat(values[:, None], OFFSETS, 1), known)


def _set_density(conditions: Conditions, song: Song, view: View, notes: _Notes) -> None:
    """Sets density, loudness, register and length from the onsets around the centre of each latent."""
    middle = (np.arange(view.latents) + 0.5) * LATENT_SECONDS
    low, high = (
        np.searchsorted(notes.onset, middle - view.half_window),
        np.searchsorted(notes.onset, middle + view.half_window),
    )
    count = high - low

    def mean(values: FloatArray) -> FloatArray:
        sums = np.append(0.0, np.cumsum(values))
        return (sums[high] - sums[low]) / np.maximum(count, 1)

    conditions.set("density", density(count / (2 * view.half_window)))
    conditions.set("register", register(mean(notes.key + float(LOWEST_KEY))), count > 0)
    conditions.set("length", length(mean(np.log(np.clip(notes.key_up - notes.onset, 0.02, 8)))), count > 0)
    if not song.flat:
        conditions.set("loudness", loudness(mean(notes.velocity)), count > 0)


def _set_metre(conditions: Conditions, view: View, grid: BeatGrid) -> None:
    """Sets the beat at every offset, and bar, phrase and tempo."""
    steps = np.arange(view.latents * OFFSETS) * STEP
    beats = grid.beats(steps)
    conditions.set("beat", harmonics(beats % 1, (1, 2, 3, 4)).reshape(view.latents, OFFSETS, -1))
    latent_beats = beats[::OFFSETS]
    conditions.set("tempo", tempo(grid.bpm(latent_beats)))
    if grid.bars_known:
        conditions.set("bar", harmonics(grid.bar_phase(latent_beats), (1, 2)))
        position, known = grid.phrase_phase(latent_beats)
        conditions.set("phrase", harmonics(position, (1, 2)), known)
        conditions.set("recall", *grid.likeness(latent_beats))


def _set_pedal(conditions: Conditions, song: Song, view: View) -> tuple[IntArray, IntArray, IntArray]:
    """Sets pedalling; returns the pedal actions before and in each latent, and the offset at which the pedal moves."""
    latents = view.latents
    p = song.performance
    if not len(p.pedal_times):
        unknown = np.full(latents, PEDAL_UNKNOWN)
        return unknown, unknown, np.full(latents, -1)
    times = p.pedal_times * view.ratio - view.start

    def down(seconds: FloatArray) -> BoolArray:
        index = np.searchsorted(times, seconds, "right") - 1
        return (index >= 0) & p.pedal_down[np.maximum(index, 0)]

    state = down((np.arange(-OFFSETS, latents * OFFSETS) + 0.5) * STEP).reshape(latents + 1, OFFSETS)
    at_start, at_end = state[:-1, -1], state[1:, -1]
    during = state[1:]
    pedal = np.where(~at_end, PEDAL_UP, np.where(at_start & ~during.all(1), PEDAL_CHANGED, PEDAL_DOWN))
    moves = during != at_start[:, None]
    offset = np.where((pedal == PEDAL_CHANGED) | (at_start != at_end), moves.argmax(1), -1)
    before = np.append(PEDAL_DOWN if at_start[0] else PEDAL_UP, pedal[:-1])
    middle = view.start + (np.arange(latents) + 0.5) * LATENT_SECONDS
    around = middle[:, None] + np.linspace(-PEDAL_HALF_WINDOW, PEDAL_HALF_WINDOW, 17) - view.start
    conditions.set("pedalling", 2 * down(around).mean(1) - 1)
    return before, pedal, offset
