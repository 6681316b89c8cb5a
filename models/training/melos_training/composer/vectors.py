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

LATENTS = 240
BPM = 120.0
BEATS_PER_BAR = 4
RECALL_FROM, RECALL_DISTANCE = 190, 188
"""The first latent that recalls an earlier one, and the distance between the two, in latents: about eight bars."""
SIMILARITY = 0.9
"""The requested similarity to the recalled latents."""
GUIDANCE = 1.3
MAX_DRAWS = 128
"""Number of uniform random numbers available for each latent; they are used in order."""


def steady(latents: int) -> tuple[BeatGrid, Form]:
    """Returns a steady beat, and a form without recall."""
    none = np.zeros(0, np.int64)
    form = Form(none, none, np.zeros(0, np.float32), none)
    count = int(latents * LATENT_SECONDS * BPM / 60) + 2
    numbers = np.arange(count, dtype=np.float64)
    return BeatGrid(numbers * 60 / BPM, numbers % BEATS_PER_BAR, float(BEATS_PER_BAR), form, 1), form


def _conditions(song: Song, library: Library, grid: BeatGrid) -> Conditions:
    """Returns the conditions of a song, with the steady beat instead of its own."""
    view = View(start=song.start + 4.0, latents=LATENTS, half_window=4.0, no_history=True)
    conditions = cut(song, view, library.labeller).conditions
    beats = grid.beats(np.arange(LATENTS * OFFSETS) * STEP)
    starts = beats[::OFFSETS]
    conditions.set("beat", harmonics(beats % 1, (1, 2, 3, 4)).reshape(LATENTS, OFFSETS, -1))
    conditions.set("tempo", tempo(np.full(LATENTS, BPM)))
    conditions.set("bar", harmonics(starts / BEATS_PER_BAR % 1, (1, 2)))
    conditions.set("phrase", harmonics(starts / (BEATS_PER_BAR * PHRASE) % 1, (1, 2)))
    conditions.set("recall", np.full(LATENTS, SIMILARITY), np.arange(LATENTS) >= RECALL_FROM)
    return conditions


class ReferencePlayer(Player):
    """Plays one plan with given random numbers [latents, 128], and recalls the latents `RECALL_DISTANCE` earlier."""

    def __init__(self, stepper: Stepper, plan: Plan, sampling: Sampling, random: FloatArray) -> None:
        super().__init__(stepper, [plan], sampling, 0)
        self._table = random
        self._drawn = 0

    def _play_latent(self, latent: int) -> None:
        self._row, self._drawn = latent, 0
        super()._play_latent(latent)

    def _draw(self, rows: IntArray) -> FloatArray:
        self._drawn += 1
        return self._table[self._row, self._drawn - 1][None].astype(np.float64)

    def _remember(self, rows: IntArray, latent: int, notes: IntArray) -> None:
        super()._remember(rows, latent, notes)
        memory = Memory(self.latents)
        seconds = ((latent + RECALL_DISTANCE) * OFFSETS + notes[:, 0]) * STEP
        memory.put(RECALL_SLOT, notes[:, 1:], seconds)
        entries = memory.entries()
        recalls = entries.latent >= RECALL_FROM
        np.add.at(self.memory[0], (entries.latent[recalls], entries.column[recalls]), entries.weight[recalls])


def performance(library: Library, steps: Mapping[str, Module]) -> dict[str, FloatArray]:
    """Plays the plan of a held-out song at a steady beat, using `steps` with two rows; returns inputs and results.

    `notes` are latent, offset, voice, key, velocity, duration; `pedal` is the action in each latent and its offset;
    `memory` is latent, column and weight of all non-zero entries; `dice` are the random numbers.
    """
    song = next(s for s in library.split("valid") if len(s.chords) and len(s.performance.pedal_times))
    grid, form = steady(LATENTS)
    plan = Plan(_conditions(song, library, grid), grid, form, True)
    random = np.random.default_rng(7).random((LATENTS, MAX_DRAWS), np.float32)
    player = ReferencePlayer(Stepper(dict(steps), 2), plan, replace(Sampling.of(1.0), guidance=GUIDANCE), random)
    player.play()
    played = player.played[0]
    index = np.nonzero(player.memory[0])
    return {
        "frame": plan.conditions.coarse,
        "fine": plan.conditions.fine,
        "dice": random,
        "memory": np.stack([*index, player.memory[0][index]], 1).astype(np.float32),
        "notes": np.array(played.notes, np.float32).reshape(-1, 6),
        "pedal": np.array(played.pedal, np.float32),
    }
