"""Distances between audio, the same for every vocoder."""

import torch
from torch import Tensor

from .mel import spectrum

QUIET = 1e-3
"""Magnitudes below this (−120 dB against a full-scale sine's 512) count as this in the log-spectral distance."""


def log_spectral_distance(ours: Tensor, theirs: Tensor) -> float:
    """Root mean square over bins of the difference of dB spectra (2048/512), mean over frames, in dB."""
    a, b = (20 * torch.log10(spectrum(x).abs().clamp(min=QUIET)) for x in (ours, theirs))
    return (a - b).square().mean(2).sqrt().mean().item()


def spectral_convergence(ours: Tensor, theirs: Tensor) -> float:
    """Frobenius norm of the difference of magnitude spectra over that of the reference's, mean over the batch."""
    a, b = spectrum(ours).abs(), spectrum(theirs).abs()
    return ((a - b).square().sum((1, 2)) / b.square().sum((1, 2))).sqrt().mean().item()
