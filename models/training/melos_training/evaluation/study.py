"""What the measures share: sizes, held-out excerpts, renderings and their features."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from .. import repository
from ..arrays import Array, Floats
from ..constants import EMOTIONS, HOP, LATENT_DIMS, LATENT_FRAMES, SAMPLE_RATE
from ..data import Shard, Shards
from ..latents import encode
from ..train_transformer import LENGTH
from ..transformer import Transformer
from ..vae import Encoder
from . import memory, transcription, weights
from .describe import describe
from .emotion import Judge
from .held_out import Excerpt, excerpts
from .renders import RATE, Renderer, Rendering, Request
from .streaming import Networks

NAME = "melos-piano"
MODEL = repository.ROOT / "models" / NAME
DETECTOR_STEPS = 400
FIRST_SEED = 101
"""Of the excerpts: the profiles of the harmony were turned by ear of the judge on lower seeds."""


@dataclass(frozen=True)
class Sizes:
    """How much is rendered."""

    excerpts: int
    seconds: float
    hours: float


Heard = TypeVar("Heard")


class Study:
    """Everything is computed on first use, and cached."""

    def __init__(self, melos: Path, shards: Path, data: Path, work: Path, sizes: Sizes) -> None:
        self.sizes, self.data = sizes, data
        self.render = Renderer(melos, work / "renders", NAME)
        self.describe: Callable[[Floats], Floats] = joblib.Memory(work / "features", verbose=0).cache(describe)
        self.held_out: dict[str, list[Shard]] = {
            name: Shards([shards], name, needs_audio=True).shards for name in ("valid", "test")
        }

    @cached_property
    def encoder(self) -> Encoder:
        return weights.encoder(MODEL)

    @cached_property
    def transformer(self) -> Transformer:
        return weights.transformer(MODEL)

    @cached_property
    def networks(self) -> Networks:
        return Networks(MODEL)

    @cached_property
    def detector(self) -> transcription.Detector:
        return transcription.train(self.held_out["valid"], DETECTOR_STEPS)

    @cached_property
    def melodies(self) -> list[Array]:
        """Of the training pieces: those of the data folder without the held-out ones."""
        held_out = {x.metadata()["piece"] for shards in self.held_out.values() for x in shards}
        paths = [path for path in sorted(self.data.rglob("*.mid*")) if path.stem not in held_out]
        return [memory.melody(memory.midi_onsets(path)) for path in paths]

    @cached_property
    def repertoire(self) -> memory.Repertoire:
        return memory.Repertoire(self.melodies)

    @cached_property
    def real(self) -> list[Excerpt]:
        """Labelled excerpts of all held-out music, half overlapping."""
        shards = self.held_out["valid"] + self.held_out["test"]
        return [x for x in excerpts(shards, self.sizes.seconds, self.sizes.seconds / 2) if x.label() is not None]

    @cached_property
    def real_features(self) -> Floats:
        return np.stack([self.describe(x.sound()) for x in self.real])

    @cached_property
    def judge(self) -> Judge:
        labels = [label for x in self.real if (label := x.label()) is not None]
        return Judge(self.real_features, np.stack(labels), [x.piece for x in self.real])

    def chord_labels(self, excerpt: Excerpt) -> Path:
        """POP909's chords of an excerpt's song."""
        return self.data / "pop909" / "POP909" / excerpt.shard.metadata()["piece"] / "chord_midi.txt"

    def copy(self, excerpt: Excerpt) -> Floats:
        """An excerpt through encoder, decoder and vocoder."""
        mel = self._mel(excerpt)
        with torch.no_grad():
            latents = self.encoder(torch.from_numpy(mel)[None])[0][0].numpy()
        return resample_poly(self.networks.sound(self.networks.mel(latents)), 1, SAMPLE_RATE // RATE).astype(np.float32)

    def ends(self) -> list[tuple[Excerpt, Excerpt]]:
        """The first and the last excerpt of every held-out piece that has two which do not overlap."""
        pieces: dict[str, list[Excerpt]] = {}
        for x in self.real:
            pieces.setdefault(x.piece, []).append(x)
        return [(all_of[0], all_of[-1]) for all_of in pieces.values() if len(all_of) > 2]

    def _mel(self, excerpt: Excerpt) -> Floats:
        first, last = excerpt.latents()
        return excerpt.shard.read("mel", first * LATENT_FRAMES, last * LATENT_FRAMES).astype(np.float32)

    def test_excerpts(self, seconds: float) -> list[Excerpt]:
        """As many excerpts of the test split as there are of an emotion, spread over all pieces."""
        found = list(excerpts(self.held_out["test"], seconds, seconds))
        return found[:: max(1, len(found) // self.sizes.excerpts)][: self.sizes.excerpts]

    def mels(self) -> list[Floats]:
        """Log-mels of ten seconds each."""
        return [self._mel(x) for x in self.test_excerpts(10.0)]

    def voiced(self) -> list[Excerpt]:
        """What the vocoder is measured with."""
        return self.test_excerpts(6.0)

    def windows(self) -> tuple[Tensor, Tensor]:
        """Standardised latents and conditions of the middle of every piece of the test split, `LENGTH` of them."""
        latents, conditions = [], []
        for shard in self.held_out["test"]:
            first = (shard.frames // LATENT_FRAMES - LENGTH) // 2
            if first >= 0:
                latents.append(torch.from_numpy(encode(self.encoder, shard.read("mel"))[first : first + LENGTH]))
                conditions.append(torch.from_numpy(shard.read("conditions", first, first + LENGTH)))
        standard = (torch.stack(latents) - self.transformer.mean) / self.transformer.deviation
        return standard, torch.stack(conditions)

    def untrained(self, count: int = 8) -> Iterator[Floats]:
        """What a transformer of random weights would play: latents that are noise of the right mean and deviation."""
        rng = np.random.default_rng(0)
        steps = round(self.sizes.seconds * SAMPLE_RATE / HOP / LATENT_FRAMES)
        for _ in range(count):
            noise = rng.standard_normal((steps, LATENT_DIMS)).astype(np.float32)
            latents = noise * self.transformer.deviation.numpy() + self.transformer.mean.numpy()
            yield resample_poly(self.networks.sound(self.networks.mel(latents)), 1, SAMPLE_RATE // RATE).astype(
                np.float32
            )

    def seeds(self) -> range:
        """Of the excerpts of an emotion."""
        return range(FIRST_SEED, FIRST_SEED + self.sizes.excerpts)

    def play(self, requests: Sequence[Request], hear: Callable[[Rendering], Heard]) -> list[Heard]:
        """The results of `hear` for every rendering, in order; on all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda request: hear(self.render(request)), requests))

    def requests(self, harmony: bool) -> list[Request]:
        """The same seeds for every emotion, network alone and with harmony."""
        return [Request(emotion, seed, self.sizes.seconds, harmony) for seed in self.seeds() for emotion in EMOTIONS]

    def features(self, requests: Sequence[Request]) -> Floats:
        """One row a rendering."""
        return np.stack(self.play(requests, lambda rendering: self.describe(rendering.sound())))
