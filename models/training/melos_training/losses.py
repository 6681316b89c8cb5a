"""What the networks are trained to make small."""

import torch
import torch.nn.functional as F

from .mel import window

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512), (4096, 1024))


def mel_loss(predicted, mel):
    """L1 over log-mels, with half as much again on what stands out: bands within 6 nepers of their frame's loudest."""
    error = (predicted - mel).abs()
    audible = (mel > mel.amax(2, keepdim=True) - 6).float()
    return error.mean() + 0.5 * (error * audible).sum() / audible.sum().clamp(min=1)


def _magnitudes(audio, size, hop):
    result = torch.stft(audio, size, hop, window=window(size), center=False, return_complex=True)
    return (result.real.square() + result.imag.square() + 1e-9).sqrt()


def audio_loss(predicted, audio):
    """L1 of log magnitudes plus spectral convergence, averaged over four resolutions, of audio [batch, samples]."""
    total = 0
    for size, hop in RESOLUTIONS:
        ours = _magnitudes(predicted, size, hop)
        theirs = _magnitudes(audio, size, hop)
        distance = F.l1_loss(torch.log(ours + 1e-4), torch.log(theirs + 1e-4))
        error = (ours - theirs).square().sum((1, 2))
        convergence = (error / theirs.square().sum((1, 2)).clamp(min=1e-3)).clamp(min=1e-8).sqrt().mean()
        total = total + distance + convergence
    return total / len(RESOLUTIONS)


def phasor_loss(predicted, target, weight):
    """Weighted squared error between predicted vectors (real, imag) and unit phasors; its optimum has the length of trust."""
    error = (predicted[0] - target.real).square() + (predicted[1] - target.imag).square()
    return (error * weight).sum() / weight.sum()


def unit(spectra):
    """Unit phasors of complex spectra, zero where there is nothing."""
    return spectra / spectra.abs().clamp(min=1e-7)
