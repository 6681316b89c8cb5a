"""Held-out music: excerpts of the shards of `melos-corpus prepare --held-out --audio`."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from ..constants import CONDITION_GROUPS, FRAMES_PER_SECOND, LATENT_FRAMES, SAMPLE_RATE, VALUE_COUNT
from .renders import RATE


@dataclass(frozen=True)
class Excerpt:
    """Some seconds of a held-out piece."""

    shard: object
    start: float
    seconds: float

    @property
    def piece(self):
        return self.shard.path.name

    def piece_start(self):
        """Where in the piece the excerpt begins, seconds."""
        return self.start + float(self.shard.metadata()["start"])

    def full_sound(self):
        """Samples at 48 kHz."""
        first = round(self.start * SAMPLE_RATE)
        return self.shard.read("audio", first, first + round(self.seconds * SAMPLE_RATE)).astype(np.float32) / 32767

    def sound(self):
        return resample_poly(self.full_sound(), 1, SAMPLE_RATE // RATE).astype(np.float32)

    def label(self):
        """Weights of the eight names, valence and arousal in the middle of the excerpt; `None` where there is no label."""
        middle = int((self.start + self.seconds / 2) * FRAMES_PER_SECOND / LATENT_FRAMES)
        row = self.shard.read("conditions", middle, middle + 1)[0]
        return row[:10] if row[:8].sum() > 0 else None

    def beats(self):
        """Seconds from the start of the excerpt, one per latent, and the beats counted up to there; `None` where the beat is not known throughout."""
        first, last = self.latents()
        conditions = self.shard.read("conditions", first, last)
        cosine, sine = CONDITION_GROUPS["beat"][0], CONDITION_GROUPS["beat"][0] + 1
        if not conditions[:, VALUE_COUNT + list(CONDITION_GROUPS).index("beat")].all():
            return None
        beats = np.unwrap(np.arctan2(conditions[:, sine], conditions[:, cosine])) / (2 * np.pi)
        return np.arange(first, last) * LATENT_FRAMES / FRAMES_PER_SECOND - self.start, beats

    def notes(self):
        """Notes [n, 4] that begin in the excerpt, in seconds from its start."""
        notes = self.shard.read("notes")
        notes = notes[(notes[:, 0] >= self.start) & (notes[:, 0] < self.start + self.seconds)].copy()
        notes[:, :2] -= self.start
        return notes

    def latents(self):
        """First and last latent frame."""
        return (round(t * FRAMES_PER_SECOND / LATENT_FRAMES) for t in (self.start, self.start + self.seconds))


def excerpts(shards, seconds, step):
    """All excerpts of so many seconds, `step` seconds apart."""
    for shard in shards:
        length = shard.frames / FRAMES_PER_SECOND
        yield from (Excerpt(shard, float(start), seconds) for start in np.arange(0, length - seconds + 1e-6, step))
