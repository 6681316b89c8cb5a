"""Measures distances between audio signals."""

import torch
from torch import Tensor

from .mel import spectrum

FLOOR = 1e-3
"""Floor of magnitudes in the log-spectral distance, about −114 dB relative to a full-scale sine (magnitude 512)."""


def log_spectral_distance(audio: Tensor, reference: Tensor) -> float:
    """Returns the difference between spectra in dB (window 2048, hop 512): RMS over bins, mean over frames."""
    a, b = (20 * torch.log10(spectrum(x).abs().clamp(min=FLOOR)) for x in (audio, reference))
    return (a - b).square().mean(2).sqrt().mean().item()


def spectral_convergence(audio: Tensor, reference: Tensor) -> float:
    """Returns the Frobenius norm of the difference between magnitude spectra, relative to that of `reference`.

    The result is the mean over the batch.
    """
    a, b = spectrum(audio).abs(), spectrum(reference).abs()
    return ((a - b).square().sum((1, 2)) / b.square().sum((1, 2))).sqrt().mean().item()
