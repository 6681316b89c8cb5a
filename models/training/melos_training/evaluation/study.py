"""The data shared by the measurements: sizes, held-out excerpts, renderings and their features."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
import torch
from scipy.signal import resample_poly

from .. import repository
from ..arrays import Array, Floats
from ..composer import excerpts as songs
from ..composer.corpora import identifier
from ..composer.excerpts import Excerpt as SongExcerpt
from ..composer.library import Library, load
from ..composer.network import Composer
from ..constants import EMOTIONS, HOP, LATENT_FRAMES, SAMPLE_RATE
from ..data import Shard, Shards
from ..model import Model
from ..pianist.layout import AHEAD
from ..pianist.network import Pianist
from ..pianist.roll import roll
from ..pianist.windows import CENTRE, PianoShards
from ..vocoder import Vocoder
from . import memory, sampled, vocoding
from .describe import describe
from .emotion import Judge
from .held_out import Excerpt, excerpts
from .renders import RATE, Renderer, Rendering, Request

NAME = "melos-piano"
MODEL = repository.ROOT / "models" / NAME
IDENTITY = repository.ROOT / "models" / "training" / "identities" / f"{NAME}.toml"
CHAIN_SECONDS = 10.0
FIRST_SEED = 201
"""First seed of the excerpts; the profiles of the moods were tuned with the judge on other seeds."""


@dataclass(frozen=True)
class Sizes:
    """The number and length of renderings per emotion, and the length of the endurance test."""

    excerpts: int
    seconds: float
    hours: float


Result = TypeVar("Result")


class Study:
    """The data of an evaluation, computed on first use and cached.

    `shards` are folders, one per piano in the model's order; renderings are compared with music on the first piano.
    """

    def __init__(
        self, melos: Path, shards: Sequence[Path], library: Path, data: Path, work: Path, sizes: Sizes
    ) -> None:
        self.sizes, self.data, self.folders = sizes, data, shards
        self._melos_corpus = melos.with_name("melos-corpus")
        self.render = Renderer(melos, work / "renders", NAME)
        self.describe: Callable[[Floats], Floats] = joblib.Memory(work / "features", verbose=0).cache(describe)
        self.held_out: dict[str, list[Shard]] = {
            name: Shards([shards[0]], name, needs_audio=True).shards for name in ("valid", "test")
        }
        self._library = library
        self.model = Model(MODEL)
        self.pianos = self.model.training_names(IDENTITY)

    @cached_property
    def composer(self) -> Composer:
        return self.model.composer()

    @cached_property
    def pianist(self) -> Pianist:
        return self.model.pianist()

    @cached_property
    def vocoder(self) -> Vocoder:
        return self.model.vocoder()

    @cached_property
    def library(self) -> Library:
        return load(self._library)

    @cached_property
    def songs(self) -> list[SongExcerpt]:
        """One excerpt of each held-out song of the composer."""
        return songs.choose_excerpts(self.library)

    @cached_property
    def songs_elsewhere(self) -> list[SongExcerpt]:
        """Other excerpts of the same songs."""
        return songs.choose_excerpts(self.library, songs.OTHER_POSITION)

    @cached_property
    def melodies(self) -> list[Array]:
        """The melodies of the training pieces: those in the data folder except the held-out ones."""
        held_out = {x.metadata()["piece"] for shards in self.held_out.values() for x in shards}
        paths = [path for path in sorted(self.data.rglob("*.mid*")) if identifier(path.stem) not in held_out]
        return [memory.melody(memory.midi_onsets(path)) for path in paths]

    @cached_property
    def melody_index(self) -> memory.MelodyIndex:
        return memory.MelodyIndex(self.melodies)

    @cached_property
    def real(self) -> list[Excerpt]:
        """Labelled excerpts of all held-out music, each overlapping the next by half."""
        shards = self.held_out["valid"] + self.held_out["test"]
        return [x for x in excerpts(shards, self.sizes.seconds, self.sizes.seconds / 2) if x.label() is not None]

    @cached_property
    def real_features(self) -> Floats:
        return np.stack([self.describe(x.audio()) for x in self.real])

    @cached_property
    def judge(self) -> Judge:
        labels = [label for x in self.real if (label := x.label()) is not None]
        return Judge(self.real_features, np.stack(labels), [x.piece for x in self.real])

    def chord_labels(self, excerpt: Excerpt) -> Path:
        """Returns the path of POP909's chord labels for an excerpt's song."""
        return self.data / "pop909" / "POP909" / excerpt.shard.metadata()["piece"] / "chord_midi.txt"

    @cached_property
    def _windows(self) -> PianoShards:
        return PianoShards(Shards(self.folders, "test", needs_audio=True), self.pianos)

    def resynthesise(self, excerpt: Excerpt) -> Floats:
        """Resynthesises an excerpt on the first piano with encoder, decoder and vocoder."""
        first, last = excerpt.latents()
        mel, hops, piano, _ = self._windows.window(excerpt.shard, first * LATENT_FRAMES, (last - first) * LATENT_FRAMES)
        reconstructed = vocoding.reconstruct(self.pianist, torch.from_numpy(mel), torch.from_numpy(hops), piano)
        return resample_poly(vocoding.vocode(self.vocoder, reconstructed), 1, SAMPLE_RATE // RATE).astype(np.float32)

    def chain(self, piano: int) -> Iterator[tuple[Excerpt, dict[str, Floats]]]:
        """Yields excerpts of the test split on a piano, each with its `vocoding.copies`."""
        windows = self._windows
        shards = [shard for shard in windows.shards.shards if windows.piano(shard) == piano]
        for excerpt in self._evenly_spaced(excerpts(shards, CHAIN_SECONDS, CHAIN_SECONDS)):
            samples = excerpt.full_audio()
            start = excerpt.latents()[0] * LATENT_FRAMES + CENTRE + AHEAD
            hops = roll(windows.performance(excerpt.shard), start, len(samples) // HOP)
            yield excerpt, vocoding.copies(self.pianist, self.vocoder, samples, hops, piano)

    def first_and_last(self) -> list[tuple[Excerpt, Excerpt]]:
        """Returns the first and last excerpts of every held-out piece in which the two do not overlap."""
        pieces: dict[str, list[Excerpt]] = {}
        for x in self.real:
            pieces.setdefault(x.piece, []).append(x)
        return [(piece[0], piece[-1]) for piece in pieces.values() if len(piece) > 2]

    def long_pieces(self, seconds: float) -> list[Excerpt]:
        """Returns the first excerpt of every held-out piece that is long enough."""
        shards = self.held_out["valid"] + self.held_out["test"]
        return [x for x in excerpts(shards, seconds, seconds) if not x.start]

    def test_excerpts(self, seconds: float) -> list[Excerpt]:
        """Returns excerpts of the test split."""
        return self._evenly_spaced(excerpts(self.held_out["test"], seconds, seconds))

    def _evenly_spaced(self, candidates: Iterable[Excerpt]) -> list[Excerpt]:
        """Returns evenly spaced excerpts: as many as there are renderings per emotion, or all if there are fewer."""
        available = list(candidates)
        return available[:: max(1, len(available) // self.sizes.excerpts)][: self.sizes.excerpts]

    def sampled(self, renderings: Sequence[Rendering]) -> list[Excerpt]:
        """Returns the notes of renderings, played on the sampled piano."""
        return sampled.play(self._melos_corpus, renderings, self.sizes.seconds)

    def seeds(self) -> range:
        """Returns the seeds of the excerpts, the same for each emotion."""
        return range(FIRST_SEED, FIRST_SEED + self.sizes.excerpts)

    def map_renderings(self, requests: Sequence[Request], measure: Callable[[Rendering], Result]) -> list[Result]:
        """Renders all requests on all cores, and returns the results of `measure` in order."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda request: measure(self.render(request)), requests))

    def requests(self, harmony: bool) -> list[Request]:
        """Returns the requests for excerpts of all emotions, with the same seeds."""
        return [Request(emotion, seed, self.sizes.seconds, harmony) for seed in self.seeds() for emotion in EMOTIONS]

    def features(self, requests: Sequence[Request]) -> Floats:
        """Returns the features of renderings, one row each."""
        return np.stack(self.map_renderings(requests, lambda rendering: self.describe(rendering.audio())))
