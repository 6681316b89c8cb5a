"""Constants for training; `contract.json` provides those shared with the Rust code for preparing data and playing."""

import math

from .contract import CONTRACT

_MEL, _LATENT, _CONDITIONS = CONTRACT["mel"], CONTRACT["latent"], CONTRACT["conditions"]

SAMPLE_RATE: int = CONTRACT["audio"]["sample_rate"]
N_FFT: int = _MEL["n_fft"]
HOP: int = _MEL["hop"]
BINS: int = _MEL["bins"]
MEL_BANDS: int = _MEL["bands"]
MEL_MIN_HZ: float = _MEL["lowest_hz"]
MEL_MAX_HZ: float = _MEL["highest_hz"]
MEL_FLOOR: float = _MEL["floor"]
LOG_FLOOR = math.log(MEL_FLOOR)
FRAMES_PER_SECOND = SAMPLE_RATE / HOP

# Normalisation of log-mels for the networks: (x - MEL_MEAN) / MEL_SCALE.
MEL_MEAN = -5.5
MEL_SCALE = 3.0

FULL_SCALE = 32_767
"""The 16-bit sample value that represents 1 in the shards."""

LATENT_FRAMES: int = _LATENT["mel_frames"]
"""Mel frames per latent."""

LOOK_AHEAD: int = CONTRACT["vocoder"]["look_ahead"]
"""The vocoder's look-ahead in mel frames: output frame i corresponds to input frame i - LOOK_AHEAD."""
ROLLBACK: int = CONTRACT["transformer"]["rollback"]
"""Latents that the daemon keeps beyond the attention window, for rollbacks."""

NEPER_DB = 20 / math.log(10)
"""Decibels per neper, the unit of natural-log magnitudes."""

# The condition vector: values, then one mask per group.
CONDITION_GROUPS: dict[str, tuple[int, int]] = {
    group["name"]: (group["first"], group["end"]) for group in _CONDITIONS["groups"]
}
VALUE_COUNT: int = _CONDITIONS["values"]
CONDITION_COUNT: int = _CONDITIONS["count"]

ANCHORS: dict[str, tuple[float, float]] = {
    emotion["name"]: (emotion["valence"], emotion["arousal"]) for emotion in CONTRACT["emotions"]
}
"""Valence and arousal of the eight emotions."""
EMOTIONS: tuple[str, ...] = tuple(ANCHORS)


def scaled_density(onsets_per_second: float) -> float:
    """Scales a density, in onsets per second, for the networks."""
    scale = _CONDITIONS["density"]
    return float((math.log1p(onsets_per_second) - scale["middle"]) / scale["width"])


def scaled_loudness(velocity: float) -> float:
    """Scales a mean MIDI velocity for the networks."""
    scale = _CONDITIONS["loudness"]
    return float((velocity - scale["middle"]) / scale["width"])
