"""`python -m melos_training transformer`."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Floats
from .checkpoint import load_average
from .constants import CONDITION_GROUPS, VALUE_COUNT
from .latents import Songs, digest
from .precision import autocast
from .runs import TransformerRun
from .team import Team
from .training import Numbers, Task, Trainer, start
from .transformer import Transformer
from .vae import Vae

LENGTH = 256
"""Latents of a window when measured."""
HELD_OUT_WINDOWS = 24
FIRST_SECONDS, LATER_SECONDS = 150, 12
"""How long shards are encoded before training begins, and at each checkpoint after."""


def drop_conditions(
    conditions: Floats, rng: np.random.Generator, drop_all: float, drop_group: Mapping[str, float]
) -> Floats:
    """A copy of `conditions` [batch, n, 52] with groups left out, each window on its own.

    A dropped group is zero in its values and its mask.
    """
    dropped = conditions.copy()
    for row in dropped:
        everything = rng.random() < drop_all
        for index, (name, (first, last)) in enumerate(CONDITION_GROUPS.items()):
            if everything or rng.random() < drop_group.get(name, 0.0):
                row[:, first:last] = 0
                row[:, VALUE_COUNT + index] = 0
    return dropped


def previous_latents(latents: Tensor) -> Tensor:
    """The network's input: the latents one step late, zeros first."""
    return F.pad(latents, (0, 0, 1, 0))[:, :-1]


def flow_loss(
    model: Transformer,
    latents: Tensor,
    conditions: Tensor,
    generator: torch.Generator | None = None,
    noise: float = 0.0,
    draws: int = 1,
) -> Tensor:
    """Squared error per dimension of the head's velocity for standardised latents, at logit-normal times.

    Random numbers are drawn in main memory, so that they are the same on every device.
    """
    device = latents.device
    previous = previous_latents(latents)
    if noise:
        deviation = torch.rand(len(latents), 1, 1, generator=generator) * noise
        disturbance = torch.randn(previous.shape, generator=generator) * deviation
        disturbed = previous + disturbance.to(device)
        previous = torch.cat([previous[:, :1], disturbed[:, 1:]], 1)
    with autocast(device):
        context = model.context(previous, conditions)
    shape = (draws, *latents.shape[:2], 1)
    time = torch.sigmoid(torch.randn(shape, generator=generator)).to(device)
    start = torch.randn((draws, *latents.shape), generator=generator).to(device)
    x = start + (latents - start) * time
    with autocast(device):
        velocity = model.head(x, time, context.expand(draws, *context.shape))
    return F.mse_loss(velocity.float(), (latents - start))


def evaluate_transformer(model: Transformer, latents: Tensor, conditions: Tensor) -> Numbers:
    """Held-out loss with conditions, without, and with those of another window; same draws for each."""
    model.eval()
    kinds = {"given": conditions, "free": torch.zeros_like(conditions), "shuffled": conditions.roll(1, 0)}
    with torch.no_grad():
        return {
            name: flow_loss(model, latents, kind, torch.Generator().manual_seed(1)).item()
            for name, kind in kinds.items()
        }


class TransformerTask(Task[Transformer]):
    """Flow matching over the latents of a finished VAE."""

    def __init__(self, model: Transformer, run: TransformerRun, training: Songs, valid: Songs) -> None:
        super().__init__(model)
        self.run, self.songs = run, training
        held_out = valid.draw(np.random.default_rng(1), HELD_OUT_WINDOWS, run.length)
        self.held_out = tuple(torch.from_numpy(part) for part in held_out)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        latents, conditions = self.songs.draw(rng, self.run.batch, self.run.length)
        dropped = drop_conditions(conditions, rng, self.run.drop_all, self.run.drop_group)
        return torch.from_numpy(latents), torch.from_numpy(dropped)

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        latents, conditions = batch
        standard = (latents - self.network.mean) / self.network.deviation
        run = self.run
        return flow_loss(self.network, standard, conditions, noise=run.context_noise, draws=run.draws), {}

    def evaluate(self, network: Transformer) -> Numbers:
        latents, conditions = (part.to(network.mean.device) for part in self.held_out)
        return evaluate_transformer(network, (latents - network.mean) / network.deviation, conditions)

    def refresh(self) -> None:
        self.songs.refresh(LATER_SECONDS)

    def data_order(self) -> list[str]:
        return self.songs.order()


def train(run: TransformerRun, team: Team | None = None) -> Trainer[Transformer]:
    """Trains on the latents that the checkpoint `vae` gives for `shards`."""
    team = team or Team()
    begun = start(run, team)
    vae = Vae()
    load_average(vae, run.vae)
    encoder = vae.encoder.to(team.device)
    fingerprint = digest(run.vae)
    cache = run.out.parent / f"latents-{fingerprint[:12]}"
    valid = Songs(run.shards, "valid", encoder, cache, run.length)
    training = Songs(run.shards, "train", encoder, cache, run.length, begun.order)
    valid.refresh(FIRST_SECONDS / 5)
    if not begun.order:
        training.refresh(FIRST_SECONDS)
    if team.leads:
        print(
            f"{len(training.songs)} of {len(training.shards)} songs, {training.shards.hours:.1f} h; "
            f"held out {len(valid.songs)}",
            flush=True,
        )
    model = Transformer()
    task = TransformerTask(model, run, training, valid)
    trainer = Trainer(task, run, begun, team, {"vae_sha256": fingerprint})
    # A resumed training keeps the statistics it began with, whatever shards have come since.
    if trainer.step == 0:
        mean, deviation = (torch.from_numpy(x) for x in training.statistics())
        for network in (model, trainer.average):
            network.mean.copy_(mean)
            network.deviation.copy_(deviation)
    if run.compiled:
        for layer in model.layers:
            layer.compile()
    trainer.train()
    return trainer
