"""Resynthesis of held-out music by pianist and vocoder, compared with 32 iterations of Griffin-Lim."""

from typing import Any

import librosa
import numpy as np
import torch
from torch import Tensor

from ..arrays import Floats
from ..constants import HOP, LATENT_FRAMES, LOG_FLOOR, LOOK_AHEAD, MEL_MAX_HZ, MEL_MIN_HZ, N_FFT, SAMPLE_RATE
from ..measure import log_spectral_distance
from ..mel import inverse_spectrum, log_mel, spectrum
from ..pianist.network import Pianist
from ..vocoder import Vocoder

RESOLUTIONS = (512, 1024, 2048, 4096)
WARM_UP = 64
"""Warm-up frames of the vocoder."""
BEGIN = N_FFT // 2 + WARM_UP * HOP
"""First sample that is compared."""


def mel_of(sound: Floats) -> Floats:
    """Log-mel [frames, 128] of samples at 48 kHz."""
    return log_mel(spectrum(torch.from_numpy(np.ascontiguousarray(sound))[None], center=True).abs())[0].numpy()


def griffin_lim(mel: Floats) -> Floats:
    """Samples of a log-mel: librosa's mel inversion by non-negative least squares, then Griffin-Lim."""
    options: dict[str, Any] = {"sr": SAMPLE_RATE, "n_fft": N_FFT, "fmin": MEL_MIN_HZ, "fmax": MEL_MAX_HZ, "power": 1}
    magnitude = librosa.feature.inverse.mel_to_stft(np.exp(mel.T), **options)
    return librosa.griffinlim(magnitude, n_iter=32, hop_length=HOP, n_fft=N_FFT, random_state=0)


def multi_resolution(ours: Tensor, theirs: Tensor) -> float:
    """Spectral convergence plus mean absolute log-magnitude difference at four resolutions (Yamamoto et al. 2020)."""
    total = 0.0
    for size in RESOLUTIONS:
        window = torch.hann_window(size)
        a, b = (
            torch.stft(x, size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-3)
            for x in (ours, theirs)
        )
        total += float((a - b).norm() / b.norm() + (a.log() - b.log()).abs().mean())
    return total / len(RESOLUTIONS)


def vocoded(vocoder: Vocoder, mel: Tensor) -> Floats:
    """Samples of a log-mel [frames, 128] from the centre of its first frame to that of its last but `LOOK_AHEAD`."""
    with torch.no_grad():
        real, imag = vocoder(mel[None])
    return inverse_spectrum(torch.complex(real, imag)[:, LOOK_AHEAD:])[0].numpy()


def decoded(pianist: Pianist, mel: Tensor, roll: Tensor, piano: int) -> Tensor:
    """Encodes a log-mel [frames, 128] and decodes it with the notes [frames, ROLL] on a piano."""
    with torch.no_grad():
        latents, _ = pianist.encoder(mel[None])
        return pianist.decoder(latents, roll[None], torch.tensor([piano]))[0].clamp(min=LOG_FLOOR)


def copies(pianist: Pianist, vocoder: Vocoder, sound: Floats, roll: Floats, piano: int) -> dict[str, Floats]:
    """A sound at 48 kHz, and the same passage resynthesised by the whole chain, the vocoder and Griffin-Lim.

    `roll` [frames, ROLL] starts with the mel frame at the middle of the first window of the sound.
    """
    audio = torch.from_numpy(sound)[None]
    mel = log_mel(spectrum(audio).abs())[0]
    mel = mel[: len(mel) // LATENT_FRAMES * LATENT_FRAMES]
    # Output sample 0 of all is the centre of mel frame 0.
    first, last = WARM_UP * HOP, (len(mel) - LOOK_AHEAD - 2) * HOP
    chain = decoded(pianist, mel, torch.from_numpy(roll[: len(mel)]), piano)
    made = {
        "original": sound[N_FFT // 2 :],
        "encoder, decoder and vocoder": vocoded(vocoder, chain),
        "vocoder": vocoded(vocoder, mel),
        "Griffin-Lim 32": griffin_lim(mel.numpy()),
    }
    return {name: samples[first:last] for name, samples in made.items()}


def distances(copy: Floats, truth: Floats) -> tuple[float, float]:
    """Log-spectral distance in dB and multi-resolution STFT distance."""
    ours, theirs = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (copy, truth))
    return log_spectral_distance(ours, theirs), multi_resolution(ours, theirs)
