"""A reference performance for the daemon's tests: conditions, random numbers, and the resulting notes and pedal."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .conditions import Conditions, harmonics, tempo
from .form import PHRASE, Form
from .graphs import Module
from .grid import BeatGrid
from .layout import LATENT_SECONDS, OFFSETS, RECALL_SLOT, STEP, FloatArray, IntArray
from .library import Library, Song
from .memory import Memory
from .playing import Plan, Player
from .sampling import Sampling
from .stepping import Stepper
from .view import View
from .windows import cut

FRAMES = 240
BPM = 120.0
BAR = 4
RECALL_FROM, RECALL_BACK = 190, 188
"""The first latent with recall, and the distance in latents of the recalled ones: about eight bars."""
LIKENESS = 0.9
"""The requested similarity."""
GUIDANCE = 1.3
MOST_DICE = 128
"""Uniform random numbers per latent, used in order, as many as it needs."""


def steady(frames: int) -> tuple[BeatGrid, Form]:
    """A steady beat without recall."""
    none = np.zeros(0, np.int64)
    form = Form(none, none, np.zeros(0, np.float32), none)
    count = int(frames * LATENT_SECONDS * BPM / 60) + 2
    numbers = np.arange(count, dtype=np.float64)
    return BeatGrid(numbers * 60 / BPM, numbers % BAR, float(BAR), form, 1), form


def _told(song: Song, library: Library, grid: BeatGrid) -> Conditions:
    """The conditions of a song, with the steady beat instead of its own."""
    view = View(start=song.start + 4.0, frames=FRAMES, reach=4.0, fresh=True)
    conditions = cut(song, view, library.labeller).conditions
    beats = grid.beats(np.arange(FRAMES * OFFSETS) * STEP)
    at = beats[::OFFSETS]
    conditions.set("beat", harmonics(beats % 1, (1, 2, 3, 4)).reshape(FRAMES, OFFSETS, -1))
    conditions.set("tempo", tempo(np.full(FRAMES, BPM)))
    conditions.set("bar", harmonics(at / BAR % 1, (1, 2)))
    conditions.set("phrase", harmonics(at / (BAR * PHRASE) % 1, (1, 2)))
    conditions.set("recall", np.full(FRAMES, LIKENESS), np.arange(FRAMES) >= RECALL_FROM)
    return conditions


class Repeatable(Player):
    """Plays one plan with given random numbers [latents, 128], recalling its own earlier latents."""

    def __init__(self, stepper: Stepper, plan: Plan, sampling: Sampling, dice: FloatArray) -> None:
        super().__init__(stepper, [plan], sampling, 0)
        self._table = dice
        self._thrown = 0

    def _frame(self, frame: int) -> None:
        self._row, self._thrown = frame, 0
        super()._frame(frame)

    def _roll(self, rows: IntArray) -> FloatArray:
        self._thrown += 1
        return self._table[self._row, self._thrown - 1][None].astype(np.float64)

    def _remember(self, rows: IntArray, frame: int, notes: IntArray) -> None:
        super()._remember(rows, frame, notes)
        memory = Memory(self.frames)
        seconds = ((frame + RECALL_BACK) * OFFSETS + notes[:, 0]) * STEP
        memory.put(RECALL_SLOT, notes[:, 1:], seconds)
        events = memory.events()
        late = events.frame >= RECALL_FROM
        np.add.at(self.memory[0], (events.frame[late], events.column[late]), events.weight[late])


def performance(library: Library, steps: Mapping[str, Module]) -> dict[str, FloatArray]:
    """Plays the plan of a held-out song at a steady beat with the steps (two rows); returns inputs and results.

    `notes` are latent, offset, voice, key, velocity, duration; `pedal` is the action in each latent and its offset;
    `memory` is latent, column and weight of all non-zero entries.
    """
    song = next(s for s in library.split("valid") if len(s.chords) and len(s.performance.pedal_times))
    grid, form = steady(FRAMES)
    plan = Plan(_told(song, library, grid), grid, form, True)
    dice = np.random.default_rng(7).random((FRAMES, MOST_DICE), np.float32)
    player = Repeatable(Stepper(dict(steps), 2), plan, replace(Sampling.of(1.0), guidance=GUIDANCE), dice)
    player.play()
    written = player.written[0]
    index = np.nonzero(player.memory[0])
    return {
        "frame": plan.conditions.frame,
        "fine": plan.conditions.fine,
        "dice": dice,
        "memory": np.stack([*index, player.memory[0][index]], 1).astype(np.float32),
        "notes": np.array(written.notes, np.float32).reshape(-1, 6),
        "pedal": np.array(written.pedal, np.float32),
    }
