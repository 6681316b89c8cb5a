"""Trains the vocoder (`python -m melos_training vocoder`)."""

import numpy as np
import torch
from torch import Tensor

from .constants import HOP, LOG_FLOOR, LOOK_AHEAD, N_FFT
from .data import load_splits
from .layers import Carry
from .losses import audio_loss, phasor_loss, unit
from .measure import log_spectral_distance, spectral_convergence
from .mel import inverse_spectrum, log_mel, spectrum
from .pianist.network import Pianist
from .pianist.train_pianist import load_pianist
from .pianist.windows import PianoShards
from .precision import autocast
from .runs import VocoderRun
from .team import Team
from .training import Numbers, Task, Trainer, start
from .vocoder import Vocoder, direction

WARM_UP = 16
"""Frames at the start of a window that do not count towards the loss, because the network lacks context there."""
HELD_OUT_WINDOWS, HELD_OUT_FRAMES = 16, 160


def _aligned(predicted: Tensor, count: int) -> Tensor:
    """Drops the frames before the window (frame i of `predicted` corresponds to mel frame i - 2) and the warm-up."""
    return predicted[:, LOOK_AHEAD + WARM_UP : count]


@torch.no_grad()
def through_pianist(pianist: Pianist, mel: Tensor, roll: Tensor, piano: Tensor, count: int) -> Tensor:
    """Reconstructs the first `count` log-mels of a batch [batch, frames, 128] with the pianist; keeps the others."""
    with autocast(mel.device):
        latents, _, _ = pianist.encode(mel[:count])
        reconstructed = pianist.decoder(latents, roll[:count], piano[:count])
    return torch.cat([reconstructed.clamp(min=LOG_FLOOR), mel[count:]])


def vocoder_loss(vocoder: Vocoder, audio: Tensor, target: Tensor, mel: Tensor) -> tuple[Tensor, Numbers]:
    """Returns the loss and its parts for audio windows [batch, samples] with spectra `target`.

    `mel` [batch, frames, 128] is the vocoder's input.
    """
    frames = mel.shape[1]
    with autocast(mel.device):
        magnitude, turn, slope, anchor = vocoder.predict(mel, Carry())
    # Treating the phases of the previous frame as constant allows all frames to be differentiated in parallel.
    with torch.no_grad():
        silence = torch.zeros_like(magnitude[:, 0])
        phasors = vocoder.integrate(magnitude, turn, slope, anchor, (silence, silence))
        real, imag = (torch.cat([silence[:, None], p[:, :-1]], 1) for p in phasors)
    real, imag = direction(magnitude, turn, slope, anchor, (real, imag))
    scaled = magnitude * vocoder.sign
    output = _aligned(torch.complex(scaled * real, scaled * imag), frames)
    first = WARM_UP * HOP + N_FFT // 2
    reference = audio[:, first : first + (output.shape[1] - 1) * HOP]
    sound = audio_loss(inverse_spectrum(output), reference)

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


def evaluate_vocoder(vocoder: Vocoder, audio: Tensor, mel: Tensor | None = None) -> Numbers:
    """Returns two distances between audio windows [batch, samples] and their resynthesis from `mel`.

    By default, `mel` is the log-mel of the windows.
    """
    mel = log_mel(spectrum(audio).abs()) if mel is None else mel
    real, imag = vocoder(mel)
    output = _aligned(torch.complex(real, imag), mel.shape[1])
    first = WARM_UP * HOP + N_FFT // 2
    reference = audio[:, first : first + (output.shape[1] - 1) * HOP]
    resynthesised = inverse_spectrum(output)
    return {
        "lsd_db": log_spectral_distance(resynthesised, reference),
        "convergence": spectral_convergence(resynthesised, reference),
    }


class VocoderTask(Task[Vocoder]):
    """Resynthesis of audio windows, some of them from mels that the pianist has reconstructed."""

    def __init__(
        self, vocoder: Vocoder, run: VocoderRun, training: PianoShards, valid: PianoShards, pianist: Pianist
    ) -> None:
        super().__init__(vocoder)
        self.run, self.training_shards, self.pianist = run, training, pianist
        self.held_out = valid.draw_with_audio(np.random.default_rng(1), HELD_OUT_WINDOWS, HELD_OUT_FRAMES)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        run = self.run
        decibels = rng.uniform(-run.gain_db, run.gain_db / 3, (run.batch, 1)).astype(np.float32)
        return *self.training_shards.draw_with_audio(rng, run.batch, run.frames), 10 ** (
            torch.from_numpy(decibels) / 20
        )

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        audio, roll, piano, gain = batch
        with torch.no_grad():
            target = spectrum(audio)
            mel = log_mel(target.abs())
            mel = through_pianist(self.pianist, mel, roll, piano, round(self.run.through_pianist * self.run.batch))
            mel = (mel + gain.log()[..., None]).clamp(min=LOG_FLOOR)
        return vocoder_loss(self.network, audio * gain, target * gain[..., None], mel)

    def evaluate(self, network: Vocoder) -> Numbers:
        device = next(network.parameters()).device
        audio, roll, piano = (part.to(device) for part in self.held_out)
        mean, _ = self.pianist.encoder(log_mel(spectrum(audio).abs()))
        reconstructed = self.pianist.decoder(mean, roll, piano).clamp(min=LOG_FLOOR)
        with_pianist = evaluate_vocoder(network, audio, reconstructed)
        return evaluate_vocoder(network, audio) | {f"pianist_{name}": value for name, value in with_pianist.items()}

    def refresh(self) -> None:
        self.training_shards.shards.refresh()

    def data_order(self) -> list[str]:
        return self.training_shards.shards.order()


def train(run: VocoderRun, team: Team | None = None) -> Trainer[Vocoder]:
    """Trains on `shards`/train and validates on `shards`/valid; both need audio."""
    team = team or Team()
    started = start(run, team)
    frames = run.frames + 4
    training, valid = load_splits(
        run.shards, started.order, team.is_leader, frames=frames, valid_frames=HELD_OUT_FRAMES + 4, needs_audio=True
    )
    pianist, pianos = load_pianist(run.pianist)
    windows = (PianoShards(training, pianos), PianoShards(valid, pianos))
    trainer = Trainer(VocoderTask(Vocoder(), run, *windows, pianist), run, started, team)
    trainer.train()
    return trainer
