"""Measures whether the music dies away, gets stuck or drifts over a long time, from features of every minute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .describe import chroma, constant_q, onsets
from .renders import RATE

SILENT_DB = -60.0
"""Level below which a minute counts as silent."""
STUCK = 0.02
"""Mean cosine distance between the spectra of successive seconds (novelty) below which a minute counts as stuck."""


@dataclass(frozen=True)
class Minute:
    """Features of one minute."""

    level_db: float
    onset_density: float
    chroma_entropy: float
    novelty: float


FIELDS = tuple(Minute.__annotations__)


def describe_minute(samples: Floats) -> Minute:
    """Measures the level, onsets per second, entropy of the pitch classes in bits, and change from second to second."""
    magnitudes = constant_q(samples)
    classes = chroma(magnitudes).sum(1)
    share = classes / (classes.sum() + 1e-9)
    seconds = np.array_split(magnitudes, max(2, len(samples) // RATE), axis=1)
    spectra = np.stack([part.mean(1) for part in seconds])
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True) + 1e-9
    return Minute(
        float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-6)),
        len(onsets(samples)[0]) / (len(samples) / RATE),
        float(-(share * np.log2(share + 1e-9)).sum()),
        float(1 - (spectra[1:] * spectra[:-1]).sum(1).mean()),
    )


def count_flaws(series: Sequence[Minute]) -> tuple[int, int]:
    """Returns the number of silent minutes, and of stuck ones."""
    return sum(m.level_db < SILENT_DB for m in series), sum(m.novelty < STUCK for m in series)


def drift(values: Sequence[float]) -> float:
    """Returns the change from start to end according to a linear fit."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0] * len(values)) if len(values) > 1 else 0.0


def changes(ends: Sequence[Sequence[Minute]]) -> dict[str, list[float]]:
    """Returns, for every feature, the change from the first to the last excerpt of each pair."""
    return {field: [getattr(last, field) - getattr(first, field) for first, last in ends] for field in FIELDS}
