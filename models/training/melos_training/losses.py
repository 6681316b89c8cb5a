"""Training losses."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .mel import window

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512), (4096, 1024))
"""Window and hop of each resolution, in samples."""


def mel_loss(predicted: Tensor, mel: Tensor) -> Tensor:
    """Returns the mean absolute difference between log-mels, plus half the mean over the target's prominent bands only.

    Prominent bands are those within 6 nepers of the loudest band in their frame.
    """
    error = (predicted - mel).abs()
    prominent = (mel > mel.amax(2, keepdim=True) - 6).float()
    return error.mean() + 0.5 * (error * prominent).sum() / prominent.sum().clamp(min=1)


def _magnitudes(audio: Tensor, size: int, hop: int) -> Tensor:
    result = torch.stft(audio, size, hop, window=window(size, audio.device), center=False, return_complex=True)
    return (result.real.square() + result.imag.square() + 1e-9).sqrt()


def audio_loss(predicted: Tensor, audio: Tensor) -> Tensor:
    """Returns the distance between predicted and true audio [batch, samples], averaged over four resolutions.

    At each resolution, it is the mean absolute difference of log magnitudes plus the spectral convergence.
    """
    total = torch.zeros((), device=audio.device)
    for size, hop in RESOLUTIONS:
        output = _magnitudes(predicted, size, hop)
        target = _magnitudes(audio, size, hop)
        distance = F.l1_loss(torch.log(output + 1e-4), torch.log(target + 1e-4))
        error = (output - target).square().sum((1, 2))
        convergence = (error / target.square().sum((1, 2)).clamp(min=1e-3)).clamp(min=1e-8).sqrt().mean()
        total = total + distance + convergence
    return total / len(RESOLUTIONS)


def phasor_loss(predicted: Sequence[Tensor], target: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean squared error between predicted vectors (real, imag) and unit phasors.

    At the optimum, the length of a prediction expresses its confidence.
    """
    error = (predicted[0] - target.real).square() + (predicted[1] - target.imag).square()
    return (error * weight).sum() / weight.sum()


def unit(spectra: Tensor) -> Tensor:
    """Returns the unit phasors of complex spectra; zero where the spectrum is zero."""
    return spectra / spectra.abs().clamp(min=1e-7)
