"""Finds shards on disk, and draws them at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .arrays import Array, Floats
from .constants import FULL_SCALE, HOP, N_FFT, SAMPLE_RATE

MIN_PEAK = 0.01
"""Windows of audio with a lower peak are redrawn."""


class NoShards(Exception):
    """Raised if there are no shards for training or evaluation."""


@dataclass(frozen=True)
class Shard:
    """A rendered or recorded copy of a piece, or of part of it."""

    path: Path
    frames: int
    has_audio: bool

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Reads rows `start..stop` of a tensor."""
        with safe_open(str(self.path), framework="numpy") as file:
            rows = file.get_slice(name)
            # safetensors does not support slices of empty tensors.
            if not rows.get_shape()[0]:
                return file.get_tensor(name)
            return rows[start : rows.get_shape()[0] if stop is None else stop]

    def audio(self, start: int, frames: int) -> Floats:
        """Reads the audio of `frames` uncentred STFT frames, the first at hop `start`: [(frames - 1) * 512 + 2048]."""
        first = start * HOP
        samples = self.read("audio", first, first + (frames - 1) * HOP + N_FFT)
        return samples.astype(np.float32) / FULL_SCALE

    def metadata(self) -> dict[str, str]:
        """Reads the shard's metadata, such as corpus and piece."""
        with safe_open(str(self.path), framework="numpy") as file:
            return file.metadata()


def _inspect(path: Path) -> Shard:
    with safe_open(str(path), framework="numpy") as file:
        return Shard(path, file.get_slice("mel").get_shape()[0], "audio" in file.keys())  # noqa: SIM118


class Shards:
    """The shards of one split, from several folders, with at least `min_frames` mel frames, and with audio if needed.

    Shards named in `order` come first, in that order, so that a resumed run draws the same windows.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        split: str,
        needs_audio: bool = False,
        min_frames: int = 0,
        order: Sequence[str] = (),
    ) -> None:
        self.folders = [Path(folder) / split for folder in folders]
        self.needs_audio = needs_audio
        self.min_frames = min_frames
        self.shards: list[Shard] = []
        self._seen: set[Path] = set()
        self._ends = np.zeros(0, np.int64)
        self.refresh()
        # A name repeats if several folders contain the same piece, for example on several pianos. The folders then take
        # its positions in `order` in turn.
        positions: dict[str, list[int]] = {}
        for index, name in enumerate(order):
            positions.setdefault(name, []).append(index)
        self.shards.sort(key=lambda shard: positions[shard.name].pop(0) if positions.get(shard.name) else len(order))
        self._update_ends()
        if missing := positions.keys() - {shard.name for shard in self.shards}:
            print(f"{len(missing)} of the shards used so far are missing, for example {min(missing)}", flush=True)

    def refresh(self) -> list[Shard]:
        """Adds the shards that have been written since the last call, and returns them."""
        paths = sorted(p for f in self.folders for p in f.rglob("*.safetensors") if p not in self._seen)
        self._seen.update(paths)
        new = [_inspect(path) for path in paths]
        new = [s for s in new if s.frames >= self.min_frames and (s.has_audio or not self.needs_audio)]
        self.shards.extend(new)
        self._update_ends()
        return new

    def _update_ends(self) -> None:
        self._ends = np.cumsum([s.frames for s in self.shards], dtype=np.int64)

    def order(self) -> list[str]:
        """Returns the names of the shards, in the order used by `draw`."""
        return [shard.name for shard in self.shards]

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def hours(self) -> float:
        return float(self._ends[-1]) * HOP / SAMPLE_RATE / 3600 if len(self) else 0.0

    def missing_error(self) -> NoShards:
        """Returns the error for a split without shards."""
        audio = " and audio" if self.needs_audio else ""
        folders = ", ".join(map(str, self.folders))
        return NoShards(
            f"{folders}: no shards with at least {self.min_frames} mel frames{audio}; run `melos-corpus prepare`"
        )

    def draw(self, rng: np.random.Generator) -> Shard:
        """Draws a shard with a probability proportional to its length. Raises `NoShards` if there are none."""
        if not self.shards:
            raise self.missing_error()
        return self.shards[int(np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right"))]


def load_splits(
    folders: Sequence[Path],
    order: Sequence[str],
    verbose: bool,
    *,
    frames: int,
    valid_frames: int,
    needs_audio: bool = False,
) -> tuple[Shards, Shards]:
    """Returns the training shards, those named in `order` first, and the held-out shards.

    If `verbose`, prints how many there are of each, and their total length.
    """
    training = Shards(folders, "train", needs_audio=needs_audio, min_frames=frames, order=order)
    valid = Shards(folders, "valid", needs_audio=needs_audio, min_frames=valid_frames)
    if verbose:
        held_out = f"{len(valid)} shards, {valid.hours:.1f} h"
        print(f"training: {len(training)} shards, {training.hours:.1f} h; held out: {held_out}", flush=True)
    return training, valid
