"""Computes level-independent features of an excerpt's audio."""

import librosa
import numpy as np

from ..arrays import Floats
from .renders import RATE

HOP = 512
LOWEST = librosa.note_to_hz("A0")
PITCHES = 84
FIRST_PITCH = 21
LEVEL = 0.05
"""RMS level to which every excerpt is normalised."""

# Key profiles of Krumhansl and Kessler (1982).
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def normalise(samples: Floats) -> Floats:
    """Normalises an excerpt to `LEVEL`."""
    return samples * (LEVEL / max(np.sqrt(np.mean(samples**2)), 1e-6))


def constant_q(samples: Floats) -> Floats:
    """Returns constant-Q magnitudes [84 semitones from A0, frames], at 24 000 / 512 frames per second (Brown 1991).

    Bands are half a semitone wide, so that the main lobe of a Hann window ends at the neighbouring semitones.
    """
    bins = np.abs(librosa.cqt(samples, sr=RATE, hop_length=HOP, fmin=LOWEST, n_bins=2 * PITCHES, bins_per_octave=24))
    return bins[::2]


def chroma(magnitudes: Floats) -> Floats:
    """Folds constant-Q magnitudes into pitch classes [12, frames], C first."""
    folded = np.zeros((12, magnitudes.shape[1]), magnitudes.dtype)
    np.add.at(folded, (np.arange(PITCHES) + FIRST_PITCH) % 12, magnitudes)
    return folded


def onsets(samples: Floats) -> tuple[Floats, Floats]:
    """Returns the times of attacks in seconds (peaks of the spectral flux), and the flux (Böck and Widmer 2013)."""
    envelope = librosa.onset.onset_strength(y=samples, sr=RATE, hop_length=256, n_fft=1024, lag=2, max_size=3)
    return librosa.onset.onset_detect(onset_envelope=envelope, sr=RATE, hop_length=256, units="time"), envelope


def key_fits(profile: Floats) -> tuple[Floats, Floats]:
    """Returns the correlations [12] of a chroma with the major keys, and with the minor keys."""
    rotated = np.stack([np.roll(profile, -tonic) for tonic in range(12)])
    major, minor = (np.array([np.corrcoef(row, key)[0, 1] for row in rotated]) for key in (MAJOR, MINOR))
    return major, minor


def describe(samples: Floats) -> Floats:
    """Returns the feature vector of an excerpt: attacks, dynamics, timbre, register, tonality."""
    samples = normalise(samples)
    times, envelope = onsets(samples)
    gaps = np.diff(times) if len(times) > 2 else np.array([4.0, 4.0])
    peaks = envelope[(times * RATE / 256).astype(int).clip(max=len(envelope) - 1)] if len(times) else np.zeros(1)
    attacks = [
        np.log1p(len(times) / len(samples) * RATE),
        np.log(gaps).mean(),
        np.log(gaps).std(),
        (gaps < 0.2).mean(),
        np.log1p(peaks.mean()),
        np.log1p(peaks.std()),
        np.log1p(envelope.mean()),
    ]

    level = 20 * np.log10(librosa.feature.rms(y=samples, hop_length=HOP)[0] + 1e-5)
    dynamics = [level.std(), *np.percentile(level, [10, 50, 90])]

    spectrum = np.abs(librosa.stft(samples, n_fft=2048, hop_length=HOP))
    centroid = np.log(librosa.feature.spectral_centroid(S=spectrum, sr=RATE)[0] + 50)
    rolloff = np.log(librosa.feature.spectral_rolloff(S=spectrum, sr=RATE)[0] + 50)
    mfcc = librosa.feature.mfcc(
        S=librosa.power_to_db(librosa.feature.melspectrogram(S=spectrum**2, sr=RATE)), n_mfcc=13
    )
    timbre = [centroid.mean(), centroid.std(), rolloff.mean(), rolloff.std(), *mfcc[1:].mean(1), *mfcc[1:].std(1)]

    magnitudes = constant_q(samples)
    share = magnitudes.sum(1) / magnitudes.sum()
    pitch = np.arange(PITCHES)
    middle = (share * pitch).sum()
    register = [middle, np.sqrt((share * (pitch - middle) ** 2).sum()), share[:27].sum(), share[51:].sum()]

    classes = chroma(magnitudes)
    profile = classes.sum(1) / classes.sum()
    major, minor = key_fits(profile)
    tonic = np.maximum(major, minor).argmax()
    frames = classes / (classes.sum(0) + 1e-9)
    # How strongly pitch classes 1 to 6 semitones apart sound together.
    intervals = [(frames * np.roll(frames, shift, 0)).sum(0).mean() for shift in range(1, 7)]
    tonality = [
        major.max() - minor.max(),
        max(major.max(), minor.max()),
        -abs(major.max() - minor.max()),
        -(profile * np.log2(profile + 1e-9)).sum(),
        *np.roll(profile, -tonic),
        *intervals,
    ]
    return np.array([*attacks, *dynamics, *timbre, *register, *tonality], np.float32)
