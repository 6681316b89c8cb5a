"""Shards on disk: finding them, and drawing random windows from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .constants import HOP, LATENT_FRAMES, N_FFT


@dataclass(frozen=True)
class Shard:
    """One rendered copy of a piece."""

    path: Path
    frames: int
    has_audio: bool

    def read(self, name, start=0, stop=None):
        """Rows `start..stop` of a tensor as an array."""
        with safe_open(str(self.path), framework="numpy") as file:
            rows = file.get_slice(name)
            return rows[start:rows.get_shape()[0] if stop is None else stop]

    def metadata(self):
        """Corpus, piece and so on, as text."""
        with safe_open(str(self.path), framework="numpy") as file:
            return file.metadata()


def _inspect(path):
    with safe_open(str(path), framework="numpy") as file:
        return Shard(path, file.get_slice("mel").get_shape()[0], "audio" in file.keys())


class Shards:
    """All shards of one split under some folders. `melos-corpus prepare` may still be writing: `refresh` finds new ones."""

    def __init__(self, folders, split, needs_audio=False, min_frames=0):
        self.folders = [Path(folder) / split for folder in folders]
        self.needs_audio = needs_audio
        self.min_frames = min_frames
        self.shards = []
        self._seen = set()
        self._ends = np.zeros(0)
        self.refresh()

    def refresh(self):
        """Take up shards that appeared since the last call; returns them."""
        paths = sorted(p for f in self.folders for p in f.rglob("*.safetensors") if p not in self._seen)
        self._seen.update(paths)
        new = [_inspect(path) for path in paths]
        new = [s for s in new if s.frames >= self.min_frames and (s.has_audio or not self.needs_audio)]
        self.shards.extend(new)
        self._ends = np.cumsum([s.frames for s in self.shards], dtype=np.int64)
        return new

    def __len__(self):
        return len(self.shards)

    @property
    def hours(self):
        return float(self._ends[-1]) * HOP / 48_000 / 3600 if len(self) else 0.0

    def draw(self, rng):
        """A random shard, by its length."""
        return self.shards[int(np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right"))]

    def mels(self, rng, batch, frames):
        """Random windows of log-mel [batch, frames, 128], starting on a latent's first frame."""
        windows = []
        for _ in range(batch):
            shard = self.draw(rng)
            start = LATENT_FRAMES * int(rng.integers((shard.frames - frames) // LATENT_FRAMES + 1))
            windows.append(shard.read("mel", start, start + frames))
        return np.stack(windows).astype(np.float32)

    def audio(self, rng, batch, frames):
        """Random windows of audio that hold `frames` uncentred STFT frames: [batch, (frames - 1) * 512 + 2048].

        Windows without sound are drawn again.
        """
        length = (frames - 1) * HOP + N_FFT
        windows = []
        while len(windows) < batch:
            shard = self.draw(rng)
            start = int(rng.integers(shard.frames * HOP - length + 1))
            samples = shard.read("audio", start, start + length).astype(np.float32) / 32767
            if np.abs(samples).max() > 0.01:
                windows.append(samples)
        return np.stack(windows)
