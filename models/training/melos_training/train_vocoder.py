"""`python -m melos_training vocoder`."""

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_average
from .constants import HOP, LOG_FLOOR, LOOK_AHEAD, N_FFT
from .data import Shards, splits
from .layers import Carry
from .losses import audio_loss, phasor_loss, unit
from .measure import log_spectral_distance, spectral_convergence
from .mel import inverse_spectrum, log_mel, spectrum
from .precision import autocast
from .runs import VocoderRun
from .team import Team
from .training import Numbers, Task, Trainer, start
from .vae import Vae
from .vocoder import Vocoder, direction

WARM_UP = 16
"""Frames at the start of a window without loss, where the network lacks the context."""
HELD_OUT_WINDOWS, HELD_OUT_FRAMES = 16, 160


def _aligned(predicted: Tensor, count: int) -> Tensor:
    """Drops the frames before the window's start and the warm-up: `predicted` frame i belongs to frame i - 2."""
    return predicted[:, LOOK_AHEAD + WARM_UP : count]


@torch.no_grad()
def retold(vae: Vae, mel: Tensor, count: int) -> Tensor:
    """Log-mel [batch, frames, 128], the first `count` of the batch as the `vae` gives them back."""
    with autocast(mel.device):
        mean, _ = vae.encoder(mel[:count])
        again = vae.decoder(mean)
    return torch.cat([again.clamp(min=LOG_FLOOR), mel[count:]])


def vocoder_loss(vocoder: Vocoder, audio: Tensor, target: Tensor, mel: Tensor) -> tuple[Tensor, Numbers]:
    """Loss and its parts for audio windows [batch, samples], with their spectra `target`.

    They are to be made from `mel` [batch, frames, 128].
    """
    frames = mel.shape[1]
    with autocast(mel.device):
        magnitude, turn, slope, anchor = vocoder.predict(mel, Carry())
    # The phases of the previous frame are taken as given: all frames then differentiate side by side.
    with torch.no_grad():
        silence = torch.zeros_like(magnitude[:, 0])
        phasors = vocoder.integrate(magnitude, turn, slope, anchor, (silence, silence))
        real, imag = (torch.cat([silence[:, None], p[:, :-1]], 1) for p in phasors)
    real, imag = direction(magnitude, turn, slope, anchor, (real, imag))
    scaled = magnitude * vocoder.sign
    output = _aligned(torch.complex(scaled * real, scaled * imag), frames)
    first = WARM_UP * HOP + N_FFT // 2
    heard = audio[:, first : first + (output.shape[1] - 1) * HOP]
    sound = audio_loss(inverse_spectrum(output), heard)

    true = target[:, WARM_UP : WARM_UP + output.shape[1]]
    level = true.abs()
    log_magnitude = (torch.log(_aligned(magnitude, frames) + 1e-4) - torch.log(level + 1e-4)).abs().mean()
    phasor = unit(true) * vocoder.sign
    before = unit(target[:, WARM_UP - 1 : WARM_UP - 1 + output.shape[1]]) * vocoder.sign
    weight = level.sqrt()
    turned, sloped, anchored = ([_aligned(p, frames) for p in pair] for pair in (turn, slope, anchor))
    turns = phasor_loss(turned, phasor * before.conj(), weight)
    slopes = phasor_loss([p[..., 1:] for p in sloped], phasor[..., 1:] * phasor[..., :-1].conj(), weight[..., 1:])
    anchors = phasor_loss(anchored, phasor, weight)
    total = sound + 0.5 * log_magnitude + 0.5 * (turns + slopes + anchors)
    numbers = {"sound": sound, "magnitude": log_magnitude, "turn": turns, "slope": slopes, "anchor": anchors}
    return total, {key: value.item() for key, value in numbers.items()}


def evaluate_vocoder(vocoder: Vocoder, audio: Tensor) -> Numbers:
    """Distances of resynthesised audio windows [batch, samples] from themselves."""
    mel = log_mel(spectrum(audio).abs())
    real, imag = vocoder(mel)
    output = _aligned(torch.complex(real, imag), mel.shape[1])
    first = WARM_UP * HOP + N_FFT // 2
    heard = audio[:, first : first + (output.shape[1] - 1) * HOP]
    ours = inverse_spectrum(output)
    return {"lsd_db": log_spectral_distance(ours, heard), "convergence": spectral_convergence(ours, heard)}


class VocoderTask(Task[Vocoder]):
    """Resynthesis of audio windows, some of them passed through a VAE."""

    def __init__(self, vocoder: Vocoder, run: VocoderRun, training: Shards, valid: Shards, vae: Vae | None) -> None:
        super().__init__(vocoder)
        self.run, self.training_shards, self.vae = run, training, vae
        self.held_out = torch.from_numpy(valid.audio(np.random.default_rng(1), HELD_OUT_WINDOWS, HELD_OUT_FRAMES))

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        run = self.run
        audio = torch.from_numpy(self.training_shards.audio(rng, run.batch, run.frames))
        decibels = rng.uniform(-run.gain_db, run.gain_db / 3, (run.batch, 1)).astype(np.float32)
        return audio, 10 ** (torch.from_numpy(decibels) / 20)

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        audio, gain = batch
        with torch.no_grad():
            target = spectrum(audio)
            mel = log_mel(target.abs())
            if self.vae:
                mel = retold(self.vae, mel, round(self.run.through_vae * self.run.batch))
            mel = (mel + gain.log()[..., None]).clamp(min=LOG_FLOOR)
        return vocoder_loss(self.network, audio * gain, target * gain[..., None], mel)

    def evaluate(self, network: Vocoder) -> Numbers:
        return evaluate_vocoder(network, self.held_out.to(next(network.parameters()).device))

    def refresh(self) -> None:
        self.training_shards.refresh()

    def data_order(self) -> list[str]:
        return self.training_shards.order()


def train(run: VocoderRun, team: Team | None = None) -> Trainer[Vocoder]:
    """Trains on `shards`/train, watching `shards`/valid; both with audio.

    `vae` is the checkpoint of a trained VAE whose mels it shall be used to.
    """
    team = team or Team()
    begun = start(run, team)
    frames = run.frames + 4
    training, valid = splits(run.shards, begun.order, team.leads, frames=frames, valid_frames=frames, needs_audio=True)
    vocoder = Vocoder()
    vae = None
    if run.vae:
        vae = Vae()
        load_average(vae, run.vae)
    trainer = Trainer(VocoderTask(vocoder, run, training, valid, vae), run, begun, team)
    trainer.train()
    return trainer
