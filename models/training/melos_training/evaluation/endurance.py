"""Whether the music dies away, gets stuck or drifts over a long time: features of every minute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .describe import chroma, constant_q, onsets
from .renders import RATE

SILENT_DB = -60.0
STUCK = 0.02
"""Cosine distance between the constant-Q spectra of a minute's halves below which it counts as stuck."""


@dataclass(frozen=True)
class Minute:
    """Features of one minute."""

    level_db: float
    onset_density: float
    chroma_entropy: float
    novelty: float


FIELDS = tuple(Minute.__annotations__)


def describe_minute(samples: Floats) -> Minute:
    """Level, onsets per second, entropy of the pitch classes in bits, and change from second to second."""
    magnitudes = constant_q(samples)
    classes = chroma(magnitudes).sum(1)
    share = classes / (classes.sum() + 1e-9)
    seconds = np.array_split(magnitudes, max(2, len(samples) // RATE), axis=1)
    pictures = np.stack([part.mean(1) for part in seconds])
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True) + 1e-9
    return Minute(
        float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-6)),
        len(onsets(samples)[0]) / (len(samples) / RATE),
        float(-(share * np.log2(share + 1e-9)).sum()),
        float(1 - (pictures[1:] * pictures[:-1]).sum(1).mean()),
    )


def flaws(series: Sequence[Minute]) -> tuple[int, int]:
    """Numbers of silent and of stuck minutes."""
    return sum(m.level_db < SILENT_DB for m in series), sum(m.novelty < STUCK for m in series)


def drift(values: Sequence[float]) -> float:
    """Change from beginning to end, from a linear fit."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0] * len(values)) if len(values) > 1 else 0.0


def changes(ends: Sequence[Sequence[Minute]]) -> dict[str, list[float]]:
    """Changes in real pieces: for every feature, last minus first of pairs of descriptions."""
    return {field: [getattr(last, field) - getattr(first, field) for first, last in ends] for field in FIELDS}
