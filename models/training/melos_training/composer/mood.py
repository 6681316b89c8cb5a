"""Labels music with emotions by rule, as `melos-corpus prepare` does: maps features of 16 s of notes to weights of the
eight emotions.

`features.rs` and `label.rs` in `crates/corpus/src/prepare` contain the definitions. Features are measured once per
piece; the effect of transposition and tempo changes is computed when a window is drawn.
"""

from dataclasses import dataclass

import numpy as np

from .layout import FloatArray, IntArray
from .midi import Performance

WINDOW = 16.0
MIN_ONSETS = 5
LOW = 47
MAX_LENGTH = 4.0
CHORD_WINDOW = 0.03
SHIFTS = range(-5, 6)
"""Intervals, in semitones, by which training transposes pieces."""

FEATURES = (
    "velocity",
    "velocity_spread",
    "velocity_high",
    "density",
    "length",
    "staccato",
    "low",
    "bass",
    "range",
    "leap",
    "mode",
    "clarity",
    "entropy",
    "dissonance",
    "mixture",
)
INDEX = {name: index for index, name in enumerate(FEATURES)}
AROUSAL = {"velocity": 1.0, "density": 1.0, "length": -0.4, "velocity_high": 0.3}
VALENCE = {"mode": 1.4, "low": -0.25, "bass": 0.25, "length": -0.15, "density": -0.1, "dissonance": -0.3}
EMOTIONS = ("happy", "sad", "energetic", "calm", "romantic", "angry", "nostalgic", "mysterious")
ANCHORS = np.array(
    [
        (0.7, 0.5),
        (-0.7, -0.5),
        (0.4, 0.9),
        (0.4, -0.7),
        (0.6, -0.1),
        (-0.7, 0.8),
        (-0.1, -0.4),
        (-0.3, 0.1),
    ]
)
CUES: tuple[dict[str, float], ...] = (
    {"mode": 0.6, "dissonance": -0.4},
    {"mode": -0.4, "density": -0.3, "range": -0.3},
    {"density": 0.4, "velocity_high": 0.3, "staccato": 0.3},
    {"density": -0.6, "velocity_spread": -0.4},
    {"range": 0.3, "leap": 0.2, "velocity_spread": 0.3, "length": 0.2},
    {"velocity": 0.4, "bass": -0.3, "dissonance": 0.3},
    {"clarity": 0.4, "mixture": 0.3, "leap": 0.3},
    {"dissonance": 0.4, "clarity": -0.3, "entropy": 0.2, "velocity": -0.2},
)
EMOTION_DEVIATION = 0.3
"""Standard deviation of each emotion's Gaussian on the circumplex."""
CUE_WEIGHT = 0.8
"""Weight of the cues that distinguish an emotion from its neighbours, relative to the distance."""

# Key profiles: Albrecht and Shanahan, Music Perception 31 (2013).
MAJOR = np.array([0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081])
MINOR = np.array([0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052])


def key_fit(chroma: FloatArray) -> tuple[float, float]:
    """Returns the correlations of a chroma [12] with the best major key and with the best minor key."""
    centred = chroma - chroma.mean()
    power = float((centred**2).sum())
    if power <= 0:
        return 0.0, 0.0
    fits = []
    for profile in (MAJOR, MINOR):
        rotated = np.stack([np.roll(profile, tonic) for tonic in range(12)])
        rotated = rotated - rotated.mean(1, keepdims=True)
        fits.append(float((rotated @ centred / np.sqrt(power * (rotated**2).sum(1))).max()))
    return fits[0], fits[1]


def measure(performance: Performance, flat: bool) -> tuple[FloatArray, FloatArray]:
    """Measures features around every second of a piece; unknown ones are NaN. A `flat` piece has no dynamics.

    Returns the features, [seconds, 15], and the share of low notes when transposed by −5..5 semitones, [seconds, 11].
    """
    onset, pitch = performance.onset, performance.pitch
    ends = performance.damped()
    length = np.clip(ends - onset, 0.03, MAX_LENGTH)
    pairs, dissonant = _intervals(onset, ends, pitch)
    count = int(onset[-1]) + 2
    values = np.full((count, len(FEATURES)), np.nan, np.float32)
    lows = np.full((count, len(SHIFTS)), np.nan, np.float32)
    for second in range(count):
        first, last = np.searchsorted(onset, [second - WINDOW / 2, second + WINDOW / 2])
        if last - first < MIN_ONSETS:
            continue
        window = slice(first, last)
        p, v, held = pitch[window].astype(float), performance.velocity[window], length[window]
        chroma = np.bincount(pitch[window] % 12, weights=held, minlength=12).astype(float)
        share = chroma[chroma > 0] / chroma.sum()
        major, minor = key_fit(chroma)
        preceding = np.minimum(np.arange(last - first), pairs.shape[1] - 1)
        rows = np.arange(first, last)
        row = {
            "density": np.log((last - first) / WINDOW),
            "length": np.log(held).mean(),
            "staccato": (held < 0.2).mean(),
            "low": (p <= LOW).mean(),
            "bass": np.sort(p)[: -(-len(p) // 4)].mean(),
            "range": p.std(),
            "leap": _leap(onset[window], pitch[window]),
            "mode": major - minor,
            "clarity": max(major, minor),
            "entropy": -(share * np.log2(share)).sum(),
            "dissonance": dissonant[rows, preceding].sum() / max(pairs[rows, preceding].sum(), 1),
            "mixture": -abs(major - minor),
        }
        if not flat:
            high = np.sort(v)[min(len(v) * 9 // 10, len(v) - 1)]
            row.update(velocity=v.mean(), velocity_spread=v.std(), velocity_high=high)
        for name, value in row.items():
            values[second, INDEX[name]] = value
        lows[second] = [(p + shift <= LOW).mean() for shift in SHIFTS]
    return values, lows


def _intervals(onset: FloatArray, ends: FloatArray, pitch: IntArray) -> tuple[IntArray, IntArray]:
    """Counts the intervals between each note and those of the k preceding notes that still sound.

    Returns the number of intervals other than unisons and octaves, and the number of minor seconds, major sevenths and
    tritones among them: both [notes, 25], k = 0..24.
    """
    notes = len(onset)
    pairs, dissonant = np.zeros((notes, 25), np.int32), np.zeros((notes, 25), np.int32)
    for lag in range(1, 25):
        if lag >= notes:
            pairs[:, lag], dissonant[:, lag] = pairs[:, lag - 1], dissonant[:, lag - 1]
            continue
        interval = np.abs(pitch[lag:] - pitch[:-lag]) % 12
        together = (ends[:-lag] > onset[lag:] + CHORD_WINDOW) & (interval != 0)
        pairs[lag:, lag] = together
        dissonant[lag:, lag] = together & np.isin(interval, (1, 6, 11))
    return pairs.cumsum(1), dissonant.cumsum(1)


def _leap(onset: FloatArray, pitch: IntArray) -> float:
    """Returns the mean interval between the highest notes of successive chords."""
    tops: list[int] = []
    start = -np.inf
    for time, key in zip(onset, pitch):
        if time < start + CHORD_WINDOW:
            tops[-1] = max(tops[-1], int(key))
        else:
            tops.append(int(key))
            start = time
    return float(np.abs(np.diff(tops)).sum()) / (max(len(tops), 2) - 1)


@dataclass
class Labeller:
    """Labels features by comparing them with those it was fitted to."""

    means: FloatArray
    deviations: FloatArray
    valences: FloatArray
    """Quantiles of the valence, in ascending order, by which new values are ranked."""
    arousals: FloatArray
    """Quantiles of the arousal, likewise."""

    @classmethod
    def fit(cls, windows: FloatArray) -> "Labeller":
        """Fits a labeller to features [n, 15]."""
        means, deviations = np.nanmean(windows, 0, dtype=np.float64), np.nanstd(windows, 0, dtype=np.float64)
        labeller = cls(np.asarray(means), np.maximum(np.asarray(deviations), 1e-9), np.zeros(0), np.zeros(0))
        standardised = labeller.standardise(windows)
        # Ranking new windows by a thousand quantiles is as accurate as ranking them by the values of all windows.
        quantiles = np.linspace(0, 1, 1001)
        labeller.valences = np.quantile(_sum(standardised, VALENCE), quantiles)
        labeller.arousals = np.quantile(_sum(standardised, AROUSAL), quantiles)
        return labeller

    def standardise(self, windows: FloatArray) -> FloatArray:
        """Returns standard scores, clipped to ±3; 0 if unknown."""
        return np.clip(np.nan_to_num((windows - self.means) / self.deviations), -3, 3)

    def label(self, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns the weights of the eight emotions, [n, 8], and valence and arousal, [n, 2], −1..1."""
        standardised = self.standardise(windows)
        valence = _rank(self.valences, _sum(standardised, VALENCE))
        arousal = _rank(self.arousals, _sum(standardised, AROUSAL))
        affect = np.stack([valence, arousal], 1)
        cues = np.stack([_sum(standardised, terms) for terms in CUES], 1)
        distance = ((affect[:, None] - ANCHORS[None]) ** 2).sum(2)
        logits = CUE_WEIGHT * cues - distance / (2 * EMOTION_DEVIATION**2)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True), affect


def transformed(features: FloatArray, lows: FloatArray, shift: int, ratio: float) -> FloatArray:
    """Returns features [n, 15] after transposition by `shift` semitones and time stretching by `ratio`."""
    out = features.copy()
    out[:, INDEX["bass"]] += shift
    out[:, INDEX["low"]] = lows[:, SHIFTS.index(shift)]
    out[:, INDEX["density"]] -= np.log(ratio)
    out[:, INDEX["length"]] += np.log(ratio)
    return out


def _sum(standardised: FloatArray, terms: dict[str, float]) -> FloatArray:
    return sum((weight * standardised[:, INDEX[name]] for name, weight in terms.items()), np.zeros(len(standardised)))


def _rank(ordered: FloatArray, values: FloatArray) -> FloatArray:
    return 2 * np.searchsorted(ordered, values) / len(ordered) - 1
