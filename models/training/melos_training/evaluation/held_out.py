"""Reads held-out music: excerpts of shards from `melos-corpus prepare --held-out --audio`."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from ..arrays import Array, Floats
from ..constants import CONDITION_GROUPS, FRAMES_PER_SECOND, FULL_SCALE, LATENT_FRAMES, SAMPLE_RATE, VALUE_COUNT
from ..data import Shard
from .renders import RATE


@dataclass(frozen=True)
class Excerpt:
    """A passage of a held-out piece."""

    shard: Shard
    start: float
    """Seconds from the start of the shard."""
    seconds: float

    @property
    def piece(self) -> str:
        return self.shard.name

    def piece_start(self) -> float:
        """Returns the start of the excerpt in the piece, in seconds."""
        return self.start + float(self.shard.metadata()["start"])

    def full_audio(self) -> Floats:
        """Reads the samples at 48 kHz."""
        first = round(self.start * SAMPLE_RATE)
        return (
            self.shard.read("audio", first, first + round(self.seconds * SAMPLE_RATE)).astype(np.float32) / FULL_SCALE
        )

    def audio(self, rate: int = RATE) -> Floats:
        """Reads the samples at `rate`, by default that of the feature extraction."""
        common = math.gcd(rate, SAMPLE_RATE)
        return resample_poly(self.full_audio(), rate // common, SAMPLE_RATE // common).astype(np.float32)

    def label(self) -> Floats | None:
        """Returns the weights of the eight emotions, then valence and arousal, at the centre; `None` if unlabelled."""
        middle = int((self.start + self.seconds / 2) * FRAMES_PER_SECOND / LATENT_FRAMES)
        row = self.shard.read("conditions", middle, middle + 1)[0]
        return row[:10] if row[:8].sum() > 0 else None

    def beats(self) -> tuple[Floats, Floats] | None:
        """Returns the time of each latent, in seconds from the start of the excerpt, and its position in beats.

        Returns `None` unless the beat is known throughout.
        """
        first, last = self.latents()
        conditions = self.shard.read("conditions", first, last)
        cosine, sine = CONDITION_GROUPS["beat"][0], CONDITION_GROUPS["beat"][0] + 1
        if not conditions[:, VALUE_COUNT + list(CONDITION_GROUPS).index("beat")].all():
            return None
        beats = np.unwrap(np.arctan2(conditions[:, sine], conditions[:, cosine])) / (2 * np.pi)
        return np.arange(first, last) * LATENT_FRAMES / FRAMES_PER_SECOND - self.start, beats

    def notes(self) -> Array:
        """Returns the notes [n, 4] that begin in the excerpt, with times in seconds from its start."""
        notes = self.shard.read("notes")
        notes = notes[(notes[:, 0] >= self.start) & (notes[:, 0] < self.start + self.seconds)].copy()
        notes[:, :2] -= self.start
        return notes

    def latents(self) -> tuple[int, int]:
        """Returns the first latent, and the one after the last."""
        rate = FRAMES_PER_SECOND / LATENT_FRAMES
        return round(self.start * rate), round((self.start + self.seconds) * rate)


def excerpts(shards: Iterable[Shard], seconds: float, step: float) -> Iterator[Excerpt]:
    """Yields excerpts that are `seconds` long and start `step` seconds (rounded up to whole latents) apart."""
    latent = LATENT_FRAMES / FRAMES_PER_SECOND
    step = np.ceil(step / latent) * latent
    for shard in shards:
        length = shard.frames / FRAMES_PER_SECOND
        yield from (Excerpt(shard, float(start), seconds) for start in np.arange(0, length - seconds + 1e-6, step))
