"""Trains the pianist (`python -m melos_training pianist`)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import load_average
from ..constants import NEPER_DB
from ..data import load_splits
from ..encoder import divergence
from ..losses import mel_loss
from ..precision import autocast
from ..runs import PianistRun
from ..team import Team
from ..training import Numbers, Trainer, start
from .losses import attack_loss, attacks, kl_beyond_free_nats
from .network import Pianist, Prior
from .sampling import resample
from .task import PianoTask
from .windows import MOOD, PianoShards

BATCH, BATCHES, FRAMES = 8, 4, 128
"""Batch size, number of batches, and mel frames per window in evaluation."""
ACTIVE = 0.1
"""Minimum standard deviation of the posterior mean of an active dimension: variance 0.01 (Burda et al. 2016)."""


@torch.no_grad()
def evaluate_pianist(pianist: Pianist, shards: PianoShards, rng: np.random.Generator, batches: int) -> Numbers:
    """Returns the results on held-out windows.

    These are the mean absolute errors of the log-mel in dB, using the posterior's mean, over all frames and at attacks;
    the same errors when decoding the notes alone (latents of 0); the KL divergence in nats per latent; and the number
    of active dimensions.
    """
    device = next(pianist.parameters()).device
    errors: dict[str, list[float]] = {"mae_db": [], "attack_db": [], "notes_db": [], "notes_attack_db": []}
    nats, means = [], []
    for _ in range(batches):
        mel, roll, piano, _ = (part.to(device) for part in shards.draw(rng, BATCH, FRAMES))
        attack = attacks(roll)
        with autocast(device):
            mean, log_variance = pianist.encoder(mel)
            decoded = pianist.decoder(mean, roll, piano)
            notes_only = pianist.decoder(torch.zeros_like(mean), roll, piano)
        for name, predicted in (("", decoded), ("notes_", notes_only)):
            overall = "mae_db" if not name else "notes_db"
            errors[overall].append((predicted - mel).abs().mean().item() * NEPER_DB)
            errors[f"{name}attack_db"].append(attack_loss(predicted, mel, attack).item() * NEPER_DB)
        nats.append(divergence(mean, log_variance))
        means.append(mean.flatten(0, 1))
    return {name: float(np.mean(values)) for name, values in errors.items()} | {
        "nats": torch.stack(nats).mean(0).sum().item(),
        "active": float((torch.cat(means).std(0) > ACTIVE).sum()),
    }


class PianistTask(PianoTask[Pianist]):
    """Reconstruction of log-mels from notes and sampled latents."""

    def __init__(
        self, pianist: Pianist, run: PianistRun, training: PianoShards, valid: PianoShards, prior: Prior | None
    ) -> None:
        super().__init__(pianist, training, valid)
        self.run, self.prior = run, prior
        pianist.encoder.requires_grad_(prior is None)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        return self.training_shards.draw(rng, self.run.batch, self.run.frames)

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        mel, roll, piano, mood = batch
        with autocast(mel.device):
            latents, mean, log_variance = self.network.encode(mel)
            if self.prior:
                count = round(self.run.through_prior * len(mel))
                sampled = resample(self.prior, latents[:count], roll[:count], piano[:count], mood[:count])
                latents = torch.cat([sampled, latents[count:]])
            predicted = self.network.decoder(latents, roll, piano)
        nats = divergence(mean, log_variance)
        at_attacks = attack_loss(predicted, mel, attacks(roll))
        kl_weight = min(1, share / self.run.kl_ramp) * self.run.kl_weight
        kl = kl_weight * kl_beyond_free_nats(nats, self.run.free_nats)
        total = mel_loss(predicted, mel) + self.run.attack_weight * at_attacks + kl
        mae = (predicted.detach() - mel).abs().mean().item() * NEPER_DB
        return total, {"mae_db": mae, "attack_db": at_attacks.item() * NEPER_DB, "nats": nats.sum().item()}

    def evaluate(self, network: Pianist) -> Numbers:
        return evaluate_pianist(network, self.valid_shards, np.random.default_rng(1), BATCHES)


def train(run: PianistRun, team: Team | None = None) -> Trainer[Pianist]:
    """Trains on `shards`/train and validates on `shards`/valid."""
    team = team or Team()
    started = start(run, team)
    training, valid = load_splits(
        run.shards, started.order, team.is_leader, frames=run.frames, valid_frames=max(FRAMES, run.frames)
    )
    pianist = Pianist(len(run.pianos), run.latent)
    prior = load_prior(run.prior, pianist, run.pianos) if run.prior else None
    task = PianistTask(pianist, run, PianoShards(training, run.pianos), PianoShards(valid, run.pianos), prior)
    trainer = Trainer(task, run, started, team)
    trainer.train()
    return trainer


def load_prior(path: Path, pianist: Pianist, pianos: Sequence[str]) -> Prior:
    """Loads the prior of a pianist with the averaged weights of a checkpoint."""
    prior = Prior(len(pianos), pianist.latent, MOOD)
    load_average(prior, path)
    return prior


def load_pianist(path: Path) -> tuple[Pianist, list[str]]:
    """Loads a pianist with the averaged weights of a checkpoint; returns it with the names of its pianos."""
    run = torch.load(path, map_location="cpu", weights_only=True)["run"]
    pianos = list(run["pianos"])
    pianist = Pianist(len(pianos), run["latent"])
    load_average(pianist, path)
    return pianist, pianos
