"""The form of a piece, inferred from its notes: which earlier bar each bar recalls, and where phrases begin."""

from dataclasses import dataclass

import numpy as np

from .layout import FloatArray, IntArray
from .midi import Performance

GRID = 4
"""Divisions of a beat when bars are compared."""
CONTEXT = 4
"""Length of the passages compared, in bars."""
MIN_DISTANCE = 2
"""Minimum distance to a recalled bar, in bars."""
FIXED_BARS = 8
"""Distance, in bars, of the memory's furthest fixed slot; recall prefers bars further back."""
NEAR_PENALTY = 0.1
"""Similarity deducted from passages within `FIXED_BARS` bars."""
PHRASE_BONUS = 0.1
"""Similarity added for distances of whole half-phrases, because passages seldom return after seven or nine bars."""
CONTINUITY_BONUS = 0.05
"""Similarity added for continuing the recalled passage."""
PHRASE = 8
"""Bars per phrase."""
MIN_AGREEMENT = 0.4
"""Share of recalled passages that must begin with a phrase or half-phrase; by chance, a quarter do."""


@dataclass
class Form:
    """The form of a piece, one entry per bar; bars are counted from the first downbeat."""

    start: IntArray
    """Index of the downbeat among the beats."""
    source: IntArray
    """The earlier bar that is recalled; −1 if none."""
    likeness: FloatArray
    """Similarity to the recalled bar, 0..1."""
    phrase: IntArray
    """Bars since the start of the phrase, 0..7; −1 if phrases are unclear."""


def infer(performance: Performance, beats: FloatArray) -> Form:
    """Infers the form of a piece; empty if its bars are unknown or fewer than three."""
    starts = np.flatnonzero(beats[:, 1] == 0) if len(beats) else np.zeros(0, np.int64)
    bars = len(starts)
    if bars < MIN_DISTANCE + 1:
        none = np.zeros(0, np.int64)
        return Form(none, none, np.zeros(0, np.float32), none)
    length = int(beats[0, 2])
    similarity = _similarity(performance, beats[:, 0], starts, length)
    source = _sources(similarity)
    known = source >= 0
    likeness = np.zeros(bars, np.float32)
    likeness[known] = similarity[np.flatnonzero(known), source[known]]
    return Form(starts.astype(np.int64), source, likeness, _phrases(source))


def _similarity(performance: Performance, times: FloatArray, starts: IntArray, length: int) -> FloatArray:
    """Returns the cosine similarity between the struck keys of all pairs of bars, [bars, bars]."""
    position = np.interp(performance.onset, times, np.arange(len(times)))
    cells = length * GRID
    rolls = np.zeros((len(starts), cells, 128), np.float32)
    bar = np.searchsorted(starts, np.round(position * GRID) / GRID, "right") - 1
    cell = np.round((position - starts[np.maximum(bar, 0)]) * GRID).astype(np.int64)
    fits = (bar >= 0) & (cell < cells)
    rolls[bar[fits], cell[fits], performance.pitch[fits]] = 1
    flat = rolls.reshape(len(starts), -1)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat @ flat.T


def _sources(similarity: FloatArray) -> IntArray:
    """Returns, for each bar, the earlier bar whose passage is most similar; −1 if there is none."""
    bars = len(similarity)
    passage = np.zeros_like(similarity)
    weight = np.zeros_like(similarity)
    for ahead in range(CONTEXT):
        passage[: bars - ahead, : bars - ahead] += similarity[ahead:, ahead:]
        weight[: bars - ahead, : bars - ahead] += 1
    passage /= weight
    source = np.full(bars, -1, np.int64)
    for bar in range(MIN_DISTANCE, bars):
        score = passage[bar, : bar - MIN_DISTANCE + 1].copy()
        score[max(0, bar - FIXED_BARS) :] -= NEAR_PENALTY
        score[bar % (PHRASE // 2) :: PHRASE // 2] += PHRASE_BONUS
        continuation = source[bar - 1] + 1
        if 0 < continuation < len(score):
            score[continuation] += CONTINUITY_BONUS
        source[bar] = int(score.argmax())
    return source


def _phrases(source: IntArray) -> IntArray:
    """Infers where phrases begin from where recalled passages begin; returns each bar's position in its phrase."""
    bars = len(source)
    starts = np.flatnonzero(np.diff(source) != 1) + 1
    starts = starts[starts > MIN_DISTANCE]
    if len(starts) < 3:
        return np.full(bars, -1, np.int64)
    votes = np.bincount(starts % PHRASE, minlength=PHRASE).astype(float)
    votes += 0.5 * np.roll(votes, PHRASE // 2)
    first = int(votes.argmax())
    if (starts % (PHRASE // 2) == first % (PHRASE // 2)).mean() < MIN_AGREEMENT:
        return np.full(bars, -1, np.int64)
    return (np.arange(bars) - first) % PHRASE
