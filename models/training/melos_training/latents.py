"""Latents of all shards through a frozen VAE, kept on disk so that they are computed once."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from .arrays import Array, Floats
from .constants import LATENT_FRAMES
from .data import Shard, Shards
from .precision import autocast
from .vae import Encoder

PIECE = 8192
"""Mel frames encoded at once."""
OVERLAP = 256
"""Mel frames added on both sides: more than the encoder sees."""


def encode(encoder: Encoder, mel: Array) -> Floats:
    """Posterior means [frames / 8, 32] of a whole log-mel [frames, 128]."""
    device = next(encoder.parameters()).device
    frames = len(mel)
    parts = []
    for start in range(0, frames, PIECE):
        first, last = max(0, start - OVERLAP), min(frames, start + PIECE + OVERLAP)
        with torch.no_grad(), autocast(device):
            mean, _ = encoder(torch.from_numpy(mel[first:last].astype(np.float32))[None].to(device))
        keep = (start - first) // LATENT_FRAMES
        parts.append(mean[0, keep : keep + min(PIECE, frames - start) // LATENT_FRAMES].cpu().numpy())
    return np.concatenate(parts)


def digest(path: Path) -> str:
    """Hex SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@dataclass
class Song:
    """Latents [n, 32] and conditions [n, 52] of one shard."""

    name: str
    latents: Floats
    conditions: Floats


class Songs:
    """The latents of one split. Encoding is slow; `refresh` continues it a little.

    Those named in `order` are taken up at once, in that order: a resumed training then draws what it would have drawn.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        split: str,
        encoder: Encoder,
        cache: Path,
        min_latents: int,
        order: Sequence[str] = (),
    ) -> None:
        self.shards = Shards(folders, split, min_frames=min_latents * LATENT_FRAMES, order=order)
        self.encoder = encoder
        self.cache = cache / split
        self.cache.mkdir(parents=True, exist_ok=True)
        self.songs: list[Song] = []
        known = set(order)
        for shard in self.shards.shards:
            if shard.name in known:
                self._add(shard)
        self._waiting: list[Shard] = []
        self._wait([shard for shard in self.shards.shards if shard.name not in known])
        self._measure()

    def _wait(self, shards: Sequence[Shard]) -> None:
        # In an order of its own, so that the first ones encoded are of all corpora.
        self._waiting += sorted(shards, key=lambda shard: hashlib.sha256(shard.name.encode()).digest(), reverse=True)

    def _measure(self) -> None:
        self._ends = np.cumsum([len(song.latents) for song in self.songs], dtype=np.int64)

    def refresh(self, seconds: float) -> None:
        """Takes up shards, old and new, for about so long."""
        self._wait(self.shards.refresh())
        begun = time.monotonic()
        while self._waiting and time.monotonic() - begun < seconds:
            self._add(self._waiting.pop())
        self._measure()

    def _add(self, shard: Shard) -> None:
        path = self.cache / shard.name
        if path.exists():
            latents = load_file(str(path))["latents"]
        else:
            latents = encode(self.encoder, shard.read("mel"))
            # Several processes may be at the same shard.
            temporary = path.with_suffix(f".{os.getpid()}.tmp")
            save_file({"latents": latents}, str(temporary))
            temporary.replace(path)
        self.songs.append(Song(shard.name, latents, shard.read("conditions").astype(np.float32)))

    def order(self) -> list[str]:
        """Names of the songs in the order in which `draw` numbers them."""
        return [song.name for song in self.songs]

    def statistics(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation [32] over all latents."""
        latents = np.concatenate([song.latents for song in self.songs])
        return latents.mean(0), latents.std(0)

    def draw(self, rng: np.random.Generator, batch: int, length: int) -> tuple[Floats, Floats]:
        """Random windows: latents [batch, length, 32] and their conditions [batch, length, 52].

        Raises `NoShards` where there is no song.
        """
        if not self.songs:
            raise self.shards.missing()
        latents, conditions = [], []
        for _ in range(batch):
            song = self.songs[int(np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right"))]
            start = int(rng.integers(len(song.latents) - length + 1))
            latents.append(song.latents[start : start + length])
            conditions.append(song.conditions[start : start + length])
        return np.stack(latents), np.stack(conditions)
