"""Latents of all shards through a frozen VAE, kept on disk so that they are computed once."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from .constants import LATENT_FRAMES
from .data import Shards
from .precision import autocast

PIECE = 8192
"""Mel frames encoded at once, and their overlap on both sides, beyond what the encoder sees."""
OVERLAP = 256


def encode(encoder, mel):
    """Posterior means [frames / 8, 32] of a whole log-mel [frames, 128]."""
    frames = len(mel)
    parts = []
    for start in range(0, frames, PIECE):
        first, last = max(0, start - OVERLAP), min(frames, start + PIECE + OVERLAP)
        with torch.no_grad(), autocast():
            mean, _ = encoder(torch.from_numpy(mel[first:last].astype(np.float32))[None])
        keep = (start - first) // LATENT_FRAMES
        parts.append(mean[0, keep:keep + min(PIECE, frames - start) // LATENT_FRAMES].numpy())
    return np.concatenate(parts)


def digest(path):
    """Hex SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@dataclass
class Song:
    """Latents [n, 32] and conditions [n, 52] of one shard."""

    latents: np.ndarray
    conditions: np.ndarray


class Songs:
    """The latents of one split. Encoding takes its time: `refresh` goes on with it a little."""

    def __init__(self, shards, split, encoder, cache, min_latents):
        self.shards = Shards(shards, split, min_frames=min_latents * LATENT_FRAMES)
        self.encoder = encoder
        self.cache = Path(cache) / split
        self.cache.mkdir(parents=True, exist_ok=True)
        self.songs = []
        self._waiting = []
        self._wait(self.shards.shards)

    def _wait(self, shards):
        # In an order of its own, so that the first ones encoded are of all corpora.
        self._waiting += sorted(shards, key=lambda shard: hashlib.sha256(shard.path.name.encode()).digest(), reverse=True)

    def refresh(self, seconds):
        """Takes up shards, old and new, for about so long."""
        self._wait(self.shards.refresh())
        begun = time.monotonic()
        while self._waiting and time.monotonic() - begun < seconds:
            self._add(self._waiting.pop())
        self._ends = np.cumsum([len(song.latents) for song in self.songs], dtype=np.int64)

    def _add(self, shard):
        path = self.cache / shard.path.name
        if path.exists():
            latents = load_file(str(path))["latents"]
        else:
            latents = encode(self.encoder, shard.read("mel"))
            temporary = path.with_suffix(".tmp")
            save_file({"latents": latents}, str(temporary))
            os.replace(temporary, path)
        self.songs.append(Song(latents, shard.read("conditions").astype(np.float32)))

    def statistics(self):
        """Mean and standard deviation [32] over all latents."""
        latents = np.concatenate([song.latents for song in self.songs])
        return latents.mean(0), latents.std(0)

    def draw(self, rng, batch, length):
        """Random windows: latents [batch, length, 32] and their conditions [batch, length, 52]."""
        latents, conditions = [], []
        for _ in range(batch):
            song = self.songs[int(np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right"))]
            start = int(rng.integers(len(song.latents) - length + 1))
            latents.append(song.latents[start:start + length])
            conditions.append(song.conditions[start:start + length])
        return np.stack(latents), np.stack(conditions)
