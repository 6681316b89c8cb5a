"""Cuts windows from shards for training the pianist, the prior and the vocoder."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array, Floats
from ..constants import CONDITION_GROUPS, HOP, LATENT_FRAMES, N_FFT, VALUE_COUNT
from ..data import MIN_PEAK, Shard, Shards
from ..runs import SettingsError
from .layout import AHEAD
from .roll import Performance, roll

CENTRE = N_FFT // 2 // HOP
"""Hops from the start of an uncentred STFT frame to its centre; the shards' mel frames are centred on their hops."""


class Windows(NamedTuple):
    """A batch of windows."""

    mel: Tensor
    """Log-mel [batch, hops, 128]."""
    roll: Tensor
    """The piano roll, `AHEAD` hops ahead of the mel: [batch, hops, ROLL]."""
    piano: Tensor
    """Indices of the pianos: [batch]."""
    mood: Tensor
    """Emotion and affect with their masks: [batch, hops / 8, MOOD]."""


def _mood_columns() -> list[int]:
    names = list(CONDITION_GROUPS)
    columns = [c for name in ("emotion", "affect") for c in range(*CONDITION_GROUPS[name])]
    return columns + [VALUE_COUNT + names.index(name) for name in ("emotion", "affect")]


MOOD_COLUMNS = _mood_columns()
"""Columns of the mood and its masks in a shard's conditions."""
MOOD = len(MOOD_COLUMNS)


class PianoShards:
    """The shards of a split, with their notes and pianos."""

    def __init__(self, shards: Shards, pianos: Sequence[str]) -> None:
        self.shards, self.pianos = shards, list(pianos)
        self._performances: dict[str, Performance] = {}
        self._piano_indices: dict[str, int] = {}

    def piano(self, shard: Shard) -> int:
        """Returns the index of a shard's piano, and caches it.

        Raises `SettingsError` if the run does not list the piano.
        """
        key = str(shard.path)
        if key not in self._piano_indices:
            self._piano_indices[key] = self._find_piano(shard)
        return self._piano_indices[key]

    def _find_piano(self, shard: Shard) -> int:
        name = shard.metadata().get("piano", "")
        if name not in self.pianos:
            known = ", ".join(self.pianos)
            raise SettingsError(f"{shard.path}: piano {name!r} is not one of the run's pianos: {known}")
        return self.pianos.index(name)

    def performance(self, shard: Shard) -> Performance:
        """Returns the performance of a shard, and caches it."""
        key = str(shard.path)
        if key not in self._performances:
            self._performances[key] = Performance.of(shard)
        return self._performances[key]

    def window(self, shard: Shard, start: int, hops: int) -> tuple[Array, Floats, int, Floats]:
        """Returns log-mel, roll, piano and mood from hop `start` on."""
        first = start // LATENT_FRAMES
        mood = shard.read("conditions", first, first + hops // LATENT_FRAMES)[:, MOOD_COLUMNS]
        return (
            shard.read("mel", start, start + hops).astype(np.float32),
            roll(self.performance(shard), start + AHEAD, hops),
            self.piano(shard),
            mood.astype(np.float32),
        )

    def draw_with_audio(self, rng: np.random.Generator, batch: int, frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draws audio windows of `frames` uncentred STFT frames, with their rolls and pianos; redraws silent ones."""
        audio: list[Floats] = []
        rolls: list[Floats] = []
        pianos: list[int] = []
        while len(audio) < batch:
            shard = self.shards.draw(rng)
            start = int(rng.integers(shard.frames - frames - N_FFT // HOP + 2))
            samples = shard.audio(start, frames)
            if np.abs(samples).max() > MIN_PEAK:
                audio.append(samples)
                rolls.append(roll(self.performance(shard), start + CENTRE + AHEAD, frames))
                pianos.append(self.piano(shard))
        return torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(rolls)), torch.tensor(pianos)

    def draw(self, rng: np.random.Generator, batch: int, hops: int) -> Windows:
        """Draws random windows, each of which begins with a latent."""
        parts = []
        for _ in range(batch):
            shard = self.shards.draw(rng)
            start = LATENT_FRAMES * int(rng.integers((shard.frames - hops) // LATENT_FRAMES + 1))
            parts.append(self.window(shard, start, hops))
        return Windows(*(torch.from_numpy(np.stack(part)) for part in zip(*parts)))
