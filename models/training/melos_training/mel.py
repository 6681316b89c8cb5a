"""Computes the same log-mels as `melos-corpus prepare`, in PyTorch."""

import functools

import librosa
import torch
from torch import Tensor

from .constants import HOP, MEL_BANDS, MEL_FLOOR, MEL_MAX_HZ, MEL_MIN_HZ, N_FFT, SAMPLE_RATE


@functools.cache
def filter_bank(device: torch.device | None = None) -> Tensor:
    """Returns the weights of Slaney's mel bands, [128, 1025]."""
    bank = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MEL_BANDS, fmin=MEL_MIN_HZ, fmax=MEL_MAX_HZ)
    return torch.from_numpy(bank).to(device)


@functools.cache
def window(length: int = N_FFT, device: torch.device | None = None) -> Tensor:
    """Returns a periodic Hann window."""
    return torch.hann_window(length).to(device)


def spectrum(audio: Tensor, center: bool = False) -> Tensor:
    """Returns the complex STFT [batch, frames, 1025] of audio [batch, samples].

    Frame i is centred on sample 1024 + 512 i; with `center`, on sample 512 i, with zeros beyond both ends.
    """
    hann = window(N_FFT, audio.device)
    result = torch.stft(audio, N_FFT, HOP, window=hann, center=center, pad_mode="constant", return_complex=True)
    return result.transpose(1, 2)


def log_mel(magnitudes: Tensor) -> Tensor:
    """Returns the log-mel [batch, frames, 128] of STFT magnitudes [batch, frames, 1025]."""
    return torch.log(torch.clamp(magnitudes @ filter_bank(magnitudes.device).T, min=MEL_FLOOR))


def inverse_spectrum(spectra: Tensor) -> Tensor:
    """Returns the audio of `spectra` [batch, frames, 1025], from the centre of the first frame to that of the last.

    The audio is [batch, (frames - 1) * 512].
    """
    hann = window(N_FFT, spectra.device)
    return torch.istft(spectra.transpose(1, 2), N_FFT, HOP, window=hann, center=True)
