"""Trains the prior (`python -m melos_training prior`)."""

import numpy as np
import torch
from torch import Tensor

from ..data import load_splits
from ..encoder import Encoder
from ..precision import autocast
from ..runs import PriorRun
from ..team import Team
from ..training import Numbers, Trainer, start
from .losses import normal_nats
from .network import Prior, shifted
from .sampling import resample
from .task import PianoTask
from .train_pianist import load_pianist
from .windows import MOOD, PianoShards

BATCH, BATCHES, FRAMES = 8, 4, 512
"""Batch size, number of batches, and mel frames per window in evaluation."""


@torch.no_grad()
def sample_latents(encoder: Encoder, mel: Tensor, noise: Tensor) -> Tensor:
    """Samples latents [batch, n, latent] of a log-mel from the posterior, using standard normal `noise`."""
    with autocast(mel.device):
        mean, log_variance = encoder(mel)
    return mean + noise * (log_variance / 2).exp()


@torch.no_grad()
def evaluate_prior(prior: Prior, encoder: Encoder, shards: PianoShards, rng: np.random.Generator) -> Numbers:
    """Returns nats per latent on held-out windows.

    The nats are those with all conditions, without mood, after the prior's own latents, and under a standard normal.
    """
    device = next(prior.parameters()).device
    results: dict[str, list[float]] = {"nats": [], "moodless_nats": [], "own_nats": [], "standard_nats": []}
    for _ in range(BATCHES):
        mel, roll, piano, mood = (part.to(device) for part in shards.draw(rng, BATCH, FRAMES))
        shape = (len(mel), FRAMES // 8, prior.latent)
        noise = torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device)
        latents = sample_latents(encoder, mel, noise)
        with autocast(device):
            own = resample(prior, latents, roll, piano, mood)
        for name, before, known in (
            ("nats", latents, mood),
            ("moodless_nats", latents, torch.zeros_like(mood)),
            ("own_nats", own, mood),
        ):
            with autocast(device):
                mean, log_variance = prior(shifted(before), roll, piano, known)
            results[name].append(normal_nats(latents, mean, log_variance).item())
        zero = torch.zeros_like(latents)
        results["standard_nats"].append(normal_nats(latents, zero, zero).item())
    return {name: float(np.mean(values)) for name, values in results.items()}


class PriorTask(PianoTask[Prior]):
    """Prediction of each latent, given the notes and the previous latents."""

    def __init__(
        self, prior: Prior, encoder: Encoder, run: PriorRun, training: PianoShards, valid: PianoShards
    ) -> None:
        super().__init__(prior, training, valid)
        self.encoder, self.run = encoder, run

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        windows = self.training_shards.draw(rng, self.run.batch, self.run.frames)
        keep = torch.from_numpy(rng.random((self.run.batch, 1, 1)) >= self.run.drop_mood)
        own = torch.from_numpy(rng.random((self.run.batch, 1, 1)) < self.run.own_latents)
        return (*windows[:3], windows.mood * keep, own)

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        mel, roll, piano, mood, own = batch
        noise = torch.randn(len(mel), mel.shape[1] // 8, self.network.latent, device=mel.device)
        latents = sample_latents(self.encoder, mel, noise)
        with autocast(mel.device):
            before = torch.where(own, resample(self.network, latents, roll, piano, mood), latents)
            mean, log_variance = self.network(shifted(before), roll, piano, mood)
        nats = normal_nats(latents, mean, log_variance)
        return nats / self.network.latent, {"nats": nats.item()}

    def evaluate(self, network: Prior) -> Numbers:
        return evaluate_prior(network, self.encoder, self.valid_shards, np.random.default_rng(1))


def train(run: PriorRun, team: Team | None = None) -> Trainer[Prior]:
    """Trains on the latents of `shards`/train, from a trained pianist's encoder, and validates on `shards`/valid."""
    team = team or Team()
    started = start(run, team)
    training, valid = load_splits(
        run.shards, started.order, team.is_leader, frames=run.frames, valid_frames=max(FRAMES, run.frames)
    )
    pianist, pianos = load_pianist(run.pianist)
    prior = Prior(len(pianos), pianist.latent, MOOD)
    windows = (PianoShards(training, pianos), PianoShards(valid, pianos))
    trainer = Trainer(PriorTask(prior, pianist.encoder, run, *windows), run, started, team)
    trainer.train()
    return trainer
