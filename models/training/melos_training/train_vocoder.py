"""`python -m melos_training vocoder`."""

import numpy as np
import torch

from .constants import HOP, LOG_FLOOR, N_FFT
from .data import Shards
from .layers import Carry
from .losses import audio_loss, phasor_loss, unit
from .mel import inverse_spectrum, log_mel, spectrum
from .measure import log_spectral_distance, spectral_convergence
from .precision import autocast
from .training import Trainer, load_average
from .vae import Vae
from .vocoder import LOOK_AHEAD, Vocoder, direction

BATCH = 12
FRAMES = 80
WARM_UP = 16
"""Frames at the start of a window that are not judged: the network has not yet heard what sounds there."""
RATE = 8e-4
GAIN_DB = 12.0
THROUGH_VAE = 0.5
"""The share of windows heard as the VAE's decoder tells them, where one is given: that is what the vocoder is to play."""


def _aligned(predicted, count):
    """Drops the frames before the window's start and the warm-up: `predicted` frame i belongs to frame i - 2."""
    return predicted[:, LOOK_AHEAD + WARM_UP:count]


@torch.no_grad()
def retold(vae, mel, count):
    """Log-mel [batch, frames, 128], the first `count` of the batch as the `vae` gives them back."""
    with autocast():
        mean, _ = vae.encoder(mel[:count])
        again = vae.decoder(mean)
    return torch.cat([again.clamp(min=LOG_FLOOR), mel[count:]])


def vocoder_loss(vocoder, audio, target, mel):
    """Loss and its parts for audio windows [batch, samples], with their spectra `target`, to be made from `mel` [batch, frames, 128]."""
    frames = mel.shape[1]
    with autocast():
        magnitude, *parts = vocoder.predict(mel, Carry())
    # The phases of the previous frame are taken as given: all frames then differentiate side by side.
    with torch.no_grad():
        silent = (torch.zeros_like(magnitude[:, 0]),) * 2
        phasors = vocoder.integrate(magnitude, *parts, silent)
        previous = [torch.cat([start[:, None], p[:, :-1]], 1) for start, p in zip(silent, phasors)]
    real, imag = direction(magnitude, *parts, previous)
    scaled = magnitude * vocoder.sign
    output = _aligned(torch.complex(scaled * real, scaled * imag), frames)
    first = WARM_UP * HOP + N_FFT // 2
    heard = audio[:, first:first + (output.shape[1] - 1) * HOP]
    sound = audio_loss(inverse_spectrum(output), heard)

    true = target[:, WARM_UP:WARM_UP + output.shape[1]]
    level = true.abs()
    log_magnitude = (torch.log(_aligned(magnitude, frames) + 1e-4) - torch.log(level + 1e-4)).abs().mean()
    phasor = unit(true) * vocoder.sign
    before = unit(target[:, WARM_UP - 1:WARM_UP - 1 + output.shape[1]]) * vocoder.sign
    weight = level.sqrt()
    turn, slope, anchor = ([_aligned(p, frames) for p in pair] for pair in parts)
    turns = phasor_loss(turn, phasor * before.conj(), weight)
    slopes = phasor_loss([p[..., 1:] for p in slope], phasor[..., 1:] * phasor[..., :-1].conj(), weight[..., 1:])
    anchors = phasor_loss(anchor, phasor, weight)
    total = sound + 0.5 * log_magnitude + 0.5 * (turns + slopes + anchors)
    numbers = {"sound": sound, "magnitude": log_magnitude, "turn": turns, "slope": slopes, "anchor": anchors}
    return total, {key: value.item() for key, value in numbers.items()}


def evaluate_vocoder(vocoder, audio):
    """Distances of resynthesised audio windows [batch, samples] from themselves."""
    mel = log_mel(spectrum(audio).abs())
    real, imag = vocoder(mel)
    output = _aligned(torch.complex(real, imag), mel.shape[1])
    first = WARM_UP * HOP + N_FFT // 2
    heard = audio[:, first:first + (output.shape[1] - 1) * HOP]
    ours = inverse_spectrum(output)
    return {"lsd_db": log_spectral_distance(ours, heard), "convergence": spectral_convergence(ours, heard)}


def train(shards, out, minutes=None, steps=None, rate=None, seed=0, every=200, vae=None):
    """Trains on `shards`/train, watching `shards`/valid; both with audio. `vae` is the checkpoint of a trained VAE whose mels it
    shall be used to."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    training = Shards(shards, "train", needs_audio=True, min_frames=FRAMES + 4)
    valid = Shards(shards, "valid", needs_audio=True, min_frames=FRAMES + 4)
    print(f"{len(training)} shards, {training.hours:.1f} h; held out {len(valid)}, {valid.hours:.1f} h", flush=True)
    vocoder = Vocoder()
    teller = None
    if vae:
        teller = Vae()
        load_average(teller, vae)
    trainer = Trainer(vocoder, out, rate or RATE, minutes, steps, betas=(0.8, 0.99))
    held_out = torch.from_numpy(valid.audio(np.random.default_rng(1), 16, 160))

    def loss():
        audio = torch.from_numpy(training.audio(rng, BATCH, FRAMES))
        gain = 10 ** (torch.from_numpy(rng.uniform(-GAIN_DB, GAIN_DB / 3, (BATCH, 1)).astype(np.float32)) / 20)
        with torch.no_grad():
            target = spectrum(audio)
            mel = log_mel(target.abs())
            if teller:
                mel = retold(teller, mel, round(THROUGH_VAE * BATCH))
            mel = (mel + gain.log()[..., None]).clamp(min=LOG_FLOOR)
        return vocoder_loss(vocoder, audio * gain, target * gain[..., None], mel)

    trainer.run(loss, lambda model: evaluate_vocoder(model, held_out), every, training.refresh)
    return trainer
