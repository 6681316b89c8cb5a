"""Plays plans: samples the notes and pedal actions of performances."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .conditions import COARSE_SLICES, MASKS, Conditions
from .form import Form
from .grid import BeatGrid
from .keyboard import Keyboard
from .layout import (
    KEYS,
    LOWEST_KEY,
    MEMORY_WIDTH,
    OFFSETS,
    PEDAL_CHANGED,
    PEDAL_DOWN,
    PEDAL_UNKNOWN,
    PEDAL_UP,
    STEP,
    VELOCITY_WIDTH,
    BoolArray,
    FloatArray,
    IntArray,
    duration_seconds,
)
from .library import Song
from .memory import Memory
from .midi import Performance
from .mood import Labeller
from .network import END, MASKED_LOGIT
from .sampling import Sampling, Servo, choose
from .stepping import Stepper
from .view import View
from .windows import cut

MAX_NOTES = 16
"""Maximum number of notes per latent."""
LIFT_OFFSETS = 4
"""Number of offsets for which a pedal that is lifted and pressed again stays up, unless the latent ends earlier."""


@dataclass
class Plan:
    """What a performance must follow: conditions, beats and form."""

    conditions: Conditions
    grid: BeatGrid | None
    form: Form
    pedal: bool
    """Whether to play the pedal."""

    @classmethod
    def of(cls, song: Song, view: View, labeller: Labeller) -> "Plan":
        """Returns the plan of a song under a view."""
        grid = BeatGrid.of(song, view) if len(song.beats) else None
        pedalled = len(song.performance.pedal_times) > 0
        return cls(cut(song, view, labeller).conditions, grid, song.form, pedalled)

    def requested(self, group: str) -> FloatArray:
        """Returns a scaled condition with one value per latent; NaN if unspecified."""
        values = self.conditions.coarse[:, COARSE_SLICES[group].start].astype(np.float64)
        return np.where(self.conditions.coarse[:, MASKS[group]] > 0, values, np.nan)


@dataclass
class PlayedNotes:
    """The notes and pedal actions that one row has played."""

    notes: list[tuple[int, ...]]
    """Latent, offset, voice, key, velocity class, duration class."""
    pedal: list[tuple[int, int]]
    """The pedal action of each latent, and its offset."""

    def performance(self) -> Performance:
        """Converts notes and pedal to seconds.

        Striking a key again ends its previous note; velocities are class centres.
        """
        notes = np.array(self.notes, np.int64).reshape(-1, 6)
        notes = notes[np.lexsort((notes[:, 3], notes[:, 1], notes[:, 0]))]
        onset = (notes[:, 0] * OFFSETS + notes[:, 1]) * STEP
        key_up = onset + duration_seconds(notes[:, 5])
        for key in np.unique(notes[:, 3]):
            indices = np.flatnonzero(notes[:, 3] == key)
            key_up[indices[:-1]] = np.minimum(key_up[indices[:-1]], onset[indices[1:]])
        times: list[float] = []
        states: list[bool] = []

        def move(step: int, down: bool) -> None:
            if (states[-1] if states else False) != down:
                times.append(step * STEP)
                states.append(down)

        for latent, (pedal, offset) in enumerate(self.pedal):
            position = latent * OFFSETS + offset
            if pedal == PEDAL_CHANGED:
                move(position, False)
                move(min(position + LIFT_OFFSETS, (latent + 1) * OFFSETS - 1), True)
            elif pedal != PEDAL_UNKNOWN:
                move(position, pedal == PEDAL_DOWN)
        velocity = notes[:, 4] * float(VELOCITY_WIDTH) + VELOCITY_WIDTH / 2
        return Performance(
            onset, key_up, notes[:, 3] + LOWEST_KEY, velocity, notes[:, 2], np.array(times), np.array(states, np.bool_)
        )


class Player:
    """Plays one plan per row."""

    def __init__(self, stepper: Stepper, plans: list[Plan], sampling: Sampling, seed: int) -> None:
        self.stepper, self.plans, self.sampling = stepper, plans, sampling
        self.rows = len(plans)
        self.guided = sampling.guidance != 1
        if stepper.rows != self.rows * (2 if self.guided else 1):
            raise ValueError(f"{self.rows} plans need {self.rows * (2 if self.guided else 1)} rows, not {stepper.rows}")
        self.without_memory = False
        """Whether to leave the memory empty."""
        self.latents = min(len(plan.conditions.coarse) for plan in plans)
        self._random = [np.random.default_rng([seed, row]) for row in range(self.rows)]
        self._keyboard = Keyboard(self.rows)
        self.memory = np.zeros((self.rows, self.latents, MEMORY_WIDTH), np.float32)
        self._servo = Servo(self.rows, self.latents)
        self.played = [PlayedNotes([], []) for _ in plans]
        self._pedalled = np.array([plan.pedal for plan in plans])
        self._density = np.stack([np.expm1(plan.requested("density")[: self.latents] * 0.7 + 1.8) for plan in plans])
        self._level = np.stack([plan.requested("loudness")[: self.latents] * 20 + 64 for plan in plans])
        self._register = np.stack([plan.requested("register")[: self.latents] * 12 + 60 for plan in plans])

    def play(self) -> list[Performance]:
        """Plays all latents; returns one performance per plan."""
        for latent in range(self.latents):
            self._play_latent(latent)
        return [played.performance() for played in self.played]

    def _draw(self, rows: IntArray) -> FloatArray:
        """Draws a uniform random number for each of `rows`."""
        return np.array([self._random[row].random() for row in rows])

    def _twice(self, values: np.ndarray, reference: np.ndarray | None = None) -> Tensor:
        """Returns rows for the network; with guidance, those of the reference follow."""
        if self.guided:
            values = np.concatenate([values, values if reference is None else reference])
        return torch.from_numpy(values)

    def _play_latent(self, latent: int) -> None:
        all_rows = np.arange(self.rows)
        requested = np.stack([plan.conditions.coarse[latent] for plan in self.plans])
        fine = np.stack([plan.conditions.fine[latent] for plan in self.plans])
        fine_rows = self._twice(fine, np.zeros_like(fine))
        before = np.where(self._pedalled, self._keyboard.pedal, PEDAL_UNKNOWN)
        base, logits = self.stepper.begin(
            self._twice(self.memory[:, latent]),
            self._twice(requested, np.zeros_like(requested)),
            fine_rows,
            self._twice(self._keyboard.sounding(latent)),
            self._twice(self._keyboard.melody),
            self._twice(before),
        )
        pedal = choose(self._requested(logits), self.sampling.touch, self._draw(all_rows))
        # A pedal that is up can only be pressed.
        pedal = np.where((pedal == PEDAL_CHANGED) & (before == PEDAL_UP), PEDAL_DOWN, pedal)
        pedal = np.where(self._pedalled, pedal, PEDAL_UNKNOWN)
        logits, writer = self.stepper.open(base, self._twice(pedal))
        moves = choose(self._requested(logits), self.sampling.touch, self._draw(all_rows))
        # A pedal that is lifted and pressed again must be down again by the end of the latent.
        moves = np.where(pedal == PEDAL_CHANGED, np.minimum(moves, OFFSETS - 2), moves)
        self._keyboard.move_pedal(latent, np.where(self._pedalled, pedal, PEDAL_UP))
        for row in all_rows:
            self.played[row].pedal.append((int(pedal[row]), int(moves[row])))
        active, offset, last_key = all_rows, np.zeros(self.rows, np.int64), np.full(self.rows, -1)
        sparseness = 0.0
        end_bias = self.sampling.servo * self._servo.end_bias(latent, self._density[:, latent])
        key_bias = self.sampling.servo * self._servo.key_bias(latent, self._register[:, latent])
        velocity_bias = self.sampling.servo * self._servo.velocity_bias(latent, self._level[:, latent])
        for _ in range(MAX_NOTES):
            both = self._both(active)
            state, logits = writer.offset(both)
            weights = self._requested(logits)
            weights[:, END] += end_bias[active] + sparseness
            weights[np.arange(END + 1)[None] < offset[active][:, None]] = MASKED_LOGIT
            chosen = choose(weights, self.sampling.time, self._draw(active))
            continues = chosen != END
            active, chosen = active[continues], chosen[continues]
            if not len(active):
                return
            sparseness = self.sampling.sparseness
            state = state[self._twice_mask(continues)]
            last_key[active] = np.where(chosen == offset[active], last_key[active], -1)
            offset[active] = chosen
            biases = key_bias[active], velocity_bias[active]
            note = self._note(state, active, chosen, last_key[active], fine_rows, *biases)
            last_key[active] = note[:, 2]
            writer.write(self._both(active), np.concatenate([note, note]) if self.guided else note)
            self._keyboard.strike(active, latent, note)
            self._servo.count(active, latent, note[:, 2], note[:, 3])
            self._remember(active, latent, note)

    def _note(
        self,
        state: Tensor,
        rows: IntArray,
        offset: IntArray,
        previous_key: IntArray,
        fine: Tensor,
        key_bias: FloatArray,
        velocity_bias: FloatArray,
    ) -> IntArray:
        """Samples one note per row, [rows, 5], at the given offsets.

        Each key is higher than `previous_key`, the key of the row's last note at this offset (−1 if there is none).
        `key_bias` [rows, 88] and `velocity_bias` [rows, 32] are added to the logits.
        """
        graphs, sampling = self.stepper.graphs, self.sampling
        with torch.no_grad():
            state, logits = graphs["voice"](state, self._twice(offset), fine[self._both(rows), self._twice(offset)])
            voice = choose(self._requested(logits), sampling.touch, self._draw(rows))
            state, logits = graphs["key"](state, self._twice(voice), self._twice(self._keyboard.melody[rows]))
            weights = self._guided(logits) + key_bias
            # After the top key, no higher key remains, so no key is masked.
            weights[(np.arange(KEYS)[None] <= previous_key[:, None]) & (previous_key[:, None] < KEYS - 1)] = (
                MASKED_LOGIT
            )
            key = choose(weights, sampling.harmony, self._draw(rows), sampling.top_p)
            state, logits = graphs["velocity"](state, self._twice(key))
            velocity = choose(self._requested(logits) + velocity_bias, sampling.touch, self._draw(rows))
            logits = graphs["duration"](state, self._twice(velocity))
            duration = choose(self._requested(logits), sampling.touch, self._draw(rows))
        return np.stack([offset, voice, key, velocity, duration], 1)

    def _remember(self, rows: IntArray, latent: int, notes: IntArray) -> None:
        """Stores the notes, and adds them to the memory of later latents."""
        for row, note in zip(rows, notes):
            self.played[row].notes.append((latent, *note.tolist()))
            plan = self.plans[row]
            if plan.grid is None or self.without_memory:
                continue
            memory = Memory(self.latents)
            beats = plan.grid.beats(np.array([(latent * OFFSETS + note[0]) * STEP]))
            memory.remember(note[None, 1:], beats, plan.grid)
            memory.recall(note[None, 1:], beats, plan.grid, plan.form)
            entries = memory.entries()
            np.add.at(self.memory[row], (entries.latent, entries.column), entries.weight)

    def _both(self, rows: IntArray) -> Tensor:
        return torch.from_numpy(np.concatenate([rows, rows + self.rows]) if self.guided else rows)

    def _twice_mask(self, mask: BoolArray) -> Tensor:
        return torch.from_numpy(np.concatenate([mask, mask]) if self.guided else mask)

    def _requested(self, logits: Tensor) -> FloatArray:
        half = len(logits) // 2 if self.guided else len(logits)
        return logits[:half].numpy().copy()

    def _guided(self, logits: Tensor) -> FloatArray:
        if not self.guided:
            return logits.numpy().copy()
        requested, reference = logits.numpy()[: len(logits) // 2], logits.numpy()[len(logits) // 2 :]
        return reference + self.sampling.guidance * (requested - reference)
