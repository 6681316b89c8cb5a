"""What the measures share: sizes, held-out excerpts, renderings and their features."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import joblib
import numpy as np
import torch
from scipy.signal import resample_poly

from ..constants import EMOTIONS, HOP, LATENT_DIMS, LATENT_FRAMES, SAMPLE_RATE
from ..data import Shards
from ..latents import encode
from ..train_transformer import LENGTH
from . import memory, transcription, weights
from .describe import describe
from .emotion import Judge
from .held_out import excerpts
from .renders import RATE, Renderer, Request
from .streaming import Networks

MODEL = Path("models/melos-piano")
DETECTOR_STEPS = 400
FIRST_SEED = 101
"""Of the excerpts: the profiles in `src/conductor/harmony` were turned by ear of the judge on lower seeds."""


@dataclass(frozen=True)
class Sizes:
    """How much is rendered."""

    excerpts: int
    seconds: float
    hours: float


class Study:
    def __init__(self, melos, shards, data, work, sizes):
        self.sizes, self.data = sizes, Path(data)
        self.render = Renderer(melos, Path(work) / "renders")
        self.describe = joblib.Memory(Path(work) / "features", verbose=0).cache(describe)
        self.held_out = {name: Shards([shards], name, needs_audio=True).shards for name in ("valid", "test")}

    @cached_property
    def encoder(self):
        return weights.encoder(MODEL)

    @cached_property
    def transformer(self):
        return weights.transformer(MODEL)

    @cached_property
    def networks(self):
        return Networks(MODEL)

    @cached_property
    def detector(self):
        return transcription.train(self.held_out["valid"], DETECTOR_STEPS)

    @cached_property
    def melodies(self):
        """Of the training pieces: those of the data folder without the held-out ones."""
        held_out = {x.metadata()["piece"] for shards in self.held_out.values() for x in shards}
        paths = [path for path in sorted(self.data.rglob("*.mid*")) if path.stem not in held_out]
        return [memory.melody(memory.midi_onsets(path)) for path in paths]

    @cached_property
    def repertoire(self):
        return memory.Repertoire(self.melodies)

    @cached_property
    def real(self):
        """Labelled excerpts of all held-out music, half overlapping."""
        shards = self.held_out["valid"] + self.held_out["test"]
        return [x for x in excerpts(shards, self.sizes.seconds, self.sizes.seconds / 2) if x.label() is not None]

    @cached_property
    def real_features(self):
        return np.stack([self.describe(x.sound()) for x in self.real])

    @cached_property
    def judge(self):
        return Judge(self.real_features, np.stack([x.label() for x in self.real]), [x.piece for x in self.real])

    def chord_labels(self, excerpt):
        """POP909's chords of an excerpt's song."""
        return self.data / "pop909" / "POP909" / excerpt.shard.metadata()["piece"] / "chord_midi.txt"

    def copy(self, excerpt):
        """An excerpt through encoder, decoder and vocoder."""
        mel = self._mel(excerpt)
        with torch.no_grad():
            latents = self.encoder(torch.from_numpy(mel)[None])[0][0].numpy()
        return resample_poly(self.networks.sound(self.networks.mel(latents)), 1, SAMPLE_RATE // RATE).astype(np.float32)

    def ends(self):
        """The first and the last excerpt of every held-out piece that has two which do not overlap."""
        pieces = {}
        for x in self.real:
            pieces.setdefault(x.piece, []).append(x)
        return [(all_of[0], all_of[-1]) for all_of in pieces.values() if len(all_of) > 2]

    def _mel(self, excerpt):
        first, last = excerpt.latents()
        return excerpt.shard.read("mel", first * LATENT_FRAMES, last * LATENT_FRAMES).astype(np.float32)

    def test_excerpts(self, seconds):
        """As many excerpts of the test split as there are of an emotion, spread over all pieces."""
        found = list(excerpts(self.held_out["test"], seconds, seconds))
        return found[::max(1, len(found) // self.sizes.excerpts)][:self.sizes.excerpts]

    def mels(self):
        return [self._mel(x) for x in self.test_excerpts(10.0)]

    def voiced(self):
        return self.test_excerpts(6.0)

    def windows(self):
        """Standardised latents and conditions of the middle of every piece of the test split, as long as in training."""
        latents, conditions = [], []
        for shard in self.held_out["test"]:
            first = (shard.frames // LATENT_FRAMES - LENGTH) // 2
            if first >= 0:
                latents.append(torch.from_numpy(encode(self.encoder, shard.read("mel"))[first:first + LENGTH]))
                conditions.append(torch.from_numpy(shard.read("conditions", first, first + LENGTH)))
        standard = (torch.stack(latents) - self.transformer.mean) / self.transformer.deviation
        return standard, torch.stack(conditions)

    def untrained(self, count=8):
        """What a transformer of random weights would play: latents that are noise of the right mean and deviation."""
        rng = np.random.default_rng(0)
        steps = round(self.sizes.seconds * SAMPLE_RATE / HOP / LATENT_FRAMES)
        for _ in range(count):
            noise = rng.standard_normal((steps, LATENT_DIMS)).astype(np.float32)
            latents = noise * self.transformer.deviation.numpy() + self.transformer.mean.numpy()
            yield resample_poly(self.networks.sound(self.networks.mel(latents)), 1, SAMPLE_RATE // RATE).astype(np.float32)

    def seeds(self):
        return range(FIRST_SEED, FIRST_SEED + self.sizes.excerpts)

    def play(self, requests, hear):
        """What `hear` says of every rendering, in order; on all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda request: hear(self.render(request)), requests))

    def requests(self, harmony):
        """The same seeds for every emotion, network alone and with harmony."""
        return [Request(emotion, seed, self.sizes.seconds, harmony) for seed in self.seeds() for emotion in EMOTIONS]

    def features(self, requests):
        return np.stack(self.play(requests, lambda rendering: self.describe(rendering.sound())))
