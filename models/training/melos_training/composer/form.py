"""The form of a piece, inferred from its notes: which earlier bar each bar recalls, and where phrases begin."""

from dataclasses import dataclass

import numpy as np

from .layout import FloatArray, IntArray
from .midi import Performance

GRID = 4
"""Divisions of a beat when bars are compared."""
CONTEXT = 4
"""Length of the passages compared, in bars."""
NEAREST = 2
"""Minimum distance of a recalled bar, in bars."""
REMEMBERED = 8
"""Bars that the memory always contains; recall prefers bars further back."""
FURTHER = 0.1
"""How much less similar a distant passage may be than a near one to be preferred."""
WHOLE_PHRASES = 0.1
"""Weight of a distance of whole half-phrases against similarity: passages seldom return after seven or nine bars."""
CONTINUITY = 0.05
"""Weight of continuing in the recalled passage, relative to similarity."""
PHRASE = 8
"""Bars per phrase."""
CLEAR = 0.4
"""Minimum share of passages that begin with a phrase for the phrases to count as known; a quarter do by chance."""


@dataclass
class Form:
    """Per bar; bars are counted from the first downbeat."""

    start: IntArray
    """Index of the downbeat among the beats."""
    source: IntArray
    """The earlier bar that is recalled; −1 if none."""
    likeness: FloatArray
    """Similarity of the two, 0..1."""
    phrase: IntArray
    """Bars since the start of the phrase, 0..7; −1 where phrases are not clear."""


def read(performance: Performance, beats: FloatArray) -> Form:
    """The form of a piece; empty if its bars are unknown."""
    starts = np.flatnonzero(beats[:, 1] == 0) if len(beats) else np.zeros(0, np.int64)
    bars = len(starts)
    if bars < NEAREST + 1:
        none = np.zeros(0, np.int64)
        return Form(none, none, np.zeros(0, np.float32), none)
    length = int(beats[0, 2])
    alike = _likeness(performance, beats[:, 0], starts, length)
    source = _sources(alike)
    known = source >= 0
    likeness = np.zeros(bars, np.float32)
    likeness[known] = alike[np.flatnonzero(known), source[known]]
    return Form(starts.astype(np.int64), source, likeness, _phrases(source))


def _likeness(performance: Performance, times: FloatArray, starts: IntArray, length: int) -> FloatArray:
    """Cosines between the struck keys of all pairs of bars, [bars, bars]."""
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


def _sources(alike: FloatArray) -> IntArray:
    """The earlier bar whose passage is most similar; continuing the current passage takes precedence."""
    bars = len(alike)
    passage = np.zeros_like(alike)
    weight = np.zeros_like(alike)
    for ahead in range(CONTEXT):
        passage[: bars - ahead, : bars - ahead] += alike[ahead:, ahead:]
        weight[: bars - ahead, : bars - ahead] += 1
    passage /= weight
    source = np.full(bars, -1, np.int64)
    for bar in range(NEAREST, bars):
        score = passage[bar, : bar - NEAREST + 1].copy()
        score[max(0, bar - REMEMBERED) :] -= FURTHER
        score[bar % (PHRASE // 2) :: PHRASE // 2] += WHOLE_PHRASES
        going_on = source[bar - 1] + 1
        if 0 < going_on < len(score):
            score[going_on] += CONTINUITY
        source[bar] = int(score.argmax())
    return source


def _phrases(source: IntArray) -> IntArray:
    """Bars since the start of the phrase, inferred from where recalled passages begin."""
    bars = len(source)
    begins = np.flatnonzero(np.diff(source) != 1) + 1
    begins = begins[begins > NEAREST]
    if len(begins) < 3:
        return np.full(bars, -1, np.int64)
    votes = np.bincount(begins % PHRASE, minlength=PHRASE).astype(float)
    votes += 0.5 * np.roll(votes, PHRASE // 2)
    first = int(votes.argmax())
    if (begins % (PHRASE // 2) == first % (PHRASE // 2)).mean() < CLEAR:
        return np.full(bars, -1, np.int64)
    return (np.arange(bars) - first) % PHRASE
