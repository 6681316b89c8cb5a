"""Resynthesises held-out music with the pianist and the vocoder and, for comparison, with Griffin-Lim."""

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
"""Number of mel frames after which the vocoder has its full context."""
FIRST_SAMPLE = N_FFT // 2 + WARM_UP * HOP
"""First sample that is compared."""


def griffin_lim(mel: Floats) -> Floats:
    """Synthesises audio from a log-mel: inverts the mel by non-negative least squares, then runs Griffin-Lim."""
    options: dict[str, Any] = {"sr": SAMPLE_RATE, "n_fft": N_FFT, "fmin": MEL_MIN_HZ, "fmax": MEL_MAX_HZ, "power": 1}
    magnitude = librosa.feature.inverse.mel_to_stft(np.exp(mel.T), **options)
    return librosa.griffinlim(magnitude, n_iter=32, hop_length=HOP, n_fft=N_FFT, random_state=0)


def multi_resolution(audio: Tensor, reference: Tensor) -> float:
    """Returns spectral convergence plus mean absolute log-magnitude difference, averaged over four resolutions.

    Defined by Yamamoto et al. (2020).
    """
    total = 0.0
    for size in RESOLUTIONS:
        window = torch.hann_window(size)
        a, b = (
            torch.stft(x, size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-3)
            for x in (audio, reference)
        )
        total += float((a - b).norm() / b.norm() + (a.log() - b.log()).abs().mean())
    return total / len(RESOLUTIONS)


def vocode(vocoder: Vocoder, mel: Tensor) -> Floats:
    """Synthesises audio from a log-mel [frames, 128], except for its last `LOOK_AHEAD` frames.

    The samples start at the centre of the first frame and end at that of the last one synthesised.
    """
    with torch.no_grad():
        real, imag = vocoder(mel[None])
    return inverse_spectrum(torch.complex(real, imag)[:, LOOK_AHEAD:])[0].numpy()


def reconstruct(pianist: Pianist, mel: Tensor, roll: Tensor, piano: int) -> Tensor:
    """Encodes a log-mel [frames, 128] to latents and decodes them with the notes [frames, ROLL] for the given piano."""
    with torch.no_grad():
        latents, _ = pianist.encoder(mel[None])
        return pianist.decoder(latents, roll[None], torch.tensor([piano]))[0].clamp(min=LOG_FLOOR)


def copies(pianist: Pianist, vocoder: Vocoder, samples: Floats, roll: Floats, piano: int) -> dict[str, Floats]:
    """Returns samples at 48 kHz, and their resynthesis by the whole chain, by the vocoder, and by Griffin-Lim.

    `roll` [frames, ROLL] is the piano roll of the mel frames, the first of which is centred on sample 1024.
    """
    audio = torch.from_numpy(samples)[None]
    mel = log_mel(spectrum(audio).abs())[0]
    mel = mel[: len(mel) // LATENT_FRAMES * LATENT_FRAMES]
    # All signals start at the centre of mel frame 0.
    first, last = WARM_UP * HOP, (len(mel) - LOOK_AHEAD - 2) * HOP
    chain = reconstruct(pianist, mel, torch.from_numpy(roll[: len(mel)]), piano)
    signals = {
        "original": samples[N_FFT // 2 :],
        "encoder, decoder and vocoder": vocode(vocoder, chain),
        "vocoder": vocode(vocoder, mel),
        "Griffin-Lim 32": griffin_lim(mel.numpy()),
    }
    return {name: signal[first:last] for name, signal in signals.items()}


def distances(copy: Floats, original: Floats) -> tuple[float, float]:
    """Returns the log-spectral distance in dB and the multi-resolution STFT distance."""
    audio, reference = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (copy, original))
    return log_spectral_distance(audio, reference), multi_resolution(audio, reference)
