"""Plays plans: writes the notes of performances."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .conditions import FRAME_SLICES, MASKS, Conditions
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
from .network import END, HIDDEN
from .sampling import Sampling, Servo, choose
from .stepping import Stepper
from .view import View
from .windows import cut

MOST_NOTES = 16
"""Maximum notes per latent."""
LIFT = 4
"""Offsets for which the pedal stays up in a pedal change, if the latent is long enough."""


@dataclass
class Plan:
    """The plan of a performance."""

    conditions: Conditions
    grid: BeatGrid | None
    form: Form
    pedal: bool
    """Whether the pedal is recorded."""

    @classmethod
    def of(cls, song: Song, view: View, labeller: Labeller) -> "Plan":
        """The plan of a song."""
        grid = BeatGrid.of(song, view) if len(song.beats) else None
        pedalled = len(song.performance.pedal_times) > 0
        return cls(cut(song, view, labeller).conditions, grid, song.form, pedalled)

    def requested(self, group: str) -> FloatArray:
        """A scaled condition with one value per latent; NaN where unspecified."""
        values = self.conditions.frame[:, FRAME_SLICES[group].start].astype(np.float64)
        return np.where(self.conditions.frame[:, MASKS[group]] > 0, values, np.nan)


@dataclass
class Written:
    """The notes and pedal actions that one row has written."""

    notes: list[tuple[int, ...]]
    """Latent, offset, voice, key, velocity class, duration class."""
    pedal: list[tuple[int, int]]
    """The pedal action of each latent, and its offset."""

    def performance(self) -> Performance:
        """Converts to seconds. A key that is struck again ends its previous note; velocities are class centres."""
        notes = np.array(self.notes, np.int64).reshape(-1, 6)
        notes = notes[np.lexsort((notes[:, 3], notes[:, 1], notes[:, 0]))]
        onset = (notes[:, 0] * OFFSETS + notes[:, 1]) * STEP
        key_up = onset + duration_seconds(notes[:, 5])
        for key in np.unique(notes[:, 3]):
            places = np.flatnonzero(notes[:, 3] == key)
            key_up[places[:-1]] = np.minimum(key_up[places[:-1]], onset[places[1:]])
        times: list[float] = []
        states: list[bool] = []

        def move(step: int, down: bool) -> None:
            if (states[-1] if states else False) != down:
                times.append(step * STEP)
                states.append(down)

        for frame, (pedal, offset) in enumerate(self.pedal):
            at = frame * OFFSETS + offset
            if pedal == PEDAL_CHANGED:
                move(at, False)
                move(min(at + LIFT, (frame + 1) * OFFSETS - 1), True)
            elif pedal != PEDAL_UNKNOWN:
                move(at, pedal == PEDAL_DOWN)
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
            raise ValueError(f"{stepper.rows} rows of the network cannot play {self.rows} plans")
        self.forgetful = False
        """Whether to leave the memory empty."""
        self.frames = min(len(plan.conditions.frame) for plan in plans)
        self._dice = [np.random.default_rng([seed, row]) for row in range(self.rows)]
        self._keyboard = Keyboard(self.rows)
        self.memory = np.zeros((self.rows, self.frames, MEMORY_WIDTH), np.float32)
        self._servo = Servo(self.rows, self.frames)
        self.written = [Written([], []) for _ in plans]
        self._pedalled = np.array([plan.pedal for plan in plans])
        self._density = np.stack([np.expm1(plan.requested("density")[: self.frames] * 0.7 + 1.8) for plan in plans])
        self._level = np.stack([plan.requested("loudness")[: self.frames] * 20 + 64 for plan in plans])
        self._register = np.stack([plan.requested("register")[: self.frames] * 12 + 60 for plan in plans])

    def play(self) -> list[Performance]:
        """Writes all latents."""
        for frame in range(self.frames):
            self._frame(frame)
        return [written.performance() for written in self.written]

    def _roll(self, rows: IntArray) -> FloatArray:
        return np.array([self._dice[row].random() for row in rows])

    def _twice(self, values: np.ndarray, reference: np.ndarray | None = None) -> Tensor:
        """Rows for the network: with guidance, followed by those of the reference."""
        if self.guided:
            values = np.concatenate([values, values if reference is None else reference])
        return torch.from_numpy(values)

    def _frame(self, frame: int) -> None:
        everyone = np.arange(self.rows)
        wanted = np.stack([plan.conditions.frame[frame] for plan in self.plans])
        fine = np.stack([plan.conditions.fine[frame] for plan in self.plans])
        fine_rows = self._twice(fine, np.zeros_like(fine))
        before = np.where(self._pedalled, self._keyboard.pedal, PEDAL_UNKNOWN)
        base, logits = self.stepper.begin(
            self._twice(self.memory[:, frame]),
            self._twice(wanted, np.zeros_like(wanted)),
            fine_rows,
            self._twice(self._keyboard.sounding(frame)),
            self._twice(self._keyboard.melody),
            self._twice(before),
        )
        pedal = choose(self._wanted(logits), self.sampling.touch, self._roll(everyone))
        # A pedal change needs a pedal that is down.
        pedal = np.where((pedal == PEDAL_CHANGED) & (before == PEDAL_UP), PEDAL_DOWN, pedal)
        pedal = np.where(self._pedalled, pedal, PEDAL_UNKNOWN)
        logits, writer = self.stepper.open(base, self._twice(pedal))
        moves = choose(self._wanted(logits), self.sampling.touch, self._roll(everyone))
        # In a pedal change, the pedal is down again within the latent.
        moves = np.where(pedal == PEDAL_CHANGED, np.minimum(moves, OFFSETS - 2), moves)
        self._keyboard.step_on_pedal(frame, np.where(self._pedalled, pedal, PEDAL_UP))
        for row in everyone:
            self.written[row].pedal.append((int(pedal[row]), int(moves[row])))
        active, offset, last_key = everyone, np.zeros(self.rows, np.int64), np.full(self.rows, -1)
        end_bias = self.sampling.servo * self._servo.end(frame, self._density[:, frame])
        tilt = self.sampling.servo * self._servo.tilt(frame, self._register[:, frame])
        level = self.sampling.servo * self._servo.level(frame, self._level[:, frame])
        for _ in range(MOST_NOTES):
            both = self._both(active)
            state, logits = writer.offset(both)
            weights = self._wanted(logits)
            weights[:, END] += end_bias[active]
            weights[np.arange(END + 1)[None] < offset[active][:, None]] = HIDDEN
            chosen = choose(weights, self.sampling.time, self._roll(active))
            going = chosen != END
            active, chosen = active[going], chosen[going]
            if not len(active):
                return
            state = state[self._twice_mask(going)]
            last_key[active] = np.where(chosen == offset[active], last_key[active], -1)
            offset[active] = chosen
            note = self._note(state, active, chosen, last_key[active], fine_rows, tilt[active], level[active])
            last_key[active] = note[:, 2]
            writer.write(self._both(active), np.concatenate([note, note]) if self.guided else note)
            self._keyboard.strike(active, frame, note)
            self._servo.played(active, frame, note[:, 2], note[:, 3])
            self._remember(active, frame, note)

    def _note(
        self,
        state: Tensor,
        rows: IntArray,
        offset: IntArray,
        above: IntArray,
        fine: Tensor,
        tilt: FloatArray,
        level: FloatArray,
    ) -> IntArray:
        """Writes a note [rows, 5] at an offset, with a key above that of the previous note at the same offset.

        `tilt` [rows, 88] and `level` [rows, 32] are added to the logits of keys and velocities.
        """
        graphs, sampling = self.stepper.graphs, self.sampling
        with torch.no_grad():
            state, logits = graphs["voice"](state, self._twice(offset), fine[self._both(rows), self._twice(offset)])
            voice = choose(self._wanted(logits), sampling.touch, self._roll(rows))
            state, logits = graphs["key"](state, self._twice(voice), self._twice(self._keyboard.melody[rows]))
            weights = self._guided(logits) + tilt
            # Above the top key there would be nothing left to choose.
            weights[(np.arange(KEYS)[None] <= above[:, None]) & (above[:, None] < KEYS - 1)] = HIDDEN
            key = choose(weights, sampling.harmony, self._roll(rows), sampling.top_p)
            state, logits = graphs["velocity"](state, self._twice(key))
            velocity = choose(self._wanted(logits) + level, sampling.touch, self._roll(rows))
            logits = graphs["duration"](state, self._twice(velocity))
            duration = choose(self._wanted(logits), sampling.touch, self._roll(rows))
        return np.stack([offset, voice, key, velocity, duration], 1)

    def _remember(self, rows: IntArray, frame: int, notes: IntArray) -> None:
        """Adds notes to the memory."""
        for row, note in zip(rows, notes):
            self.written[row].notes.append((frame, *note.tolist()))
            plan = self.plans[row]
            if plan.grid is None or self.forgetful:
                continue
            memory = Memory(self.frames)
            beats = plan.grid.beats(np.array([(frame * OFFSETS + note[0]) * STEP]))
            memory.remember(note[None, 1:], beats, plan.grid)
            memory.recall(note[None, 1:], beats, plan.grid, plan.form)
            events = memory.events()
            np.add.at(self.memory[row], (events.frame, events.column), events.weight)

    def _both(self, rows: IntArray) -> Tensor:
        return torch.from_numpy(np.concatenate([rows, rows + self.rows]) if self.guided else rows)

    def _twice_mask(self, mask: BoolArray) -> Tensor:
        return torch.from_numpy(np.concatenate([mask, mask]) if self.guided else mask)

    def _wanted(self, logits: Tensor) -> FloatArray:
        half = len(logits) // 2 if self.guided else len(logits)
        return logits[:half].numpy().copy()

    def _guided(self, logits: Tensor) -> FloatArray:
        if not self.guided:
            return logits.numpy().copy()
        wanted, reference = logits.numpy()[: len(logits) // 2], logits.numpy()[len(logits) // 2 :]
        return reference + self.sampling.guidance * (wanted - reference)
