"""`python -m melos_training transformer`."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .constants import CONDITION_GROUPS, VALUE_COUNT
from .latents import Songs, digest
from .precision import autocast
from .training import Trainer, load_average
from .transformer import Transformer
from .vae import Vae

BATCH = 8
LENGTH = 256
"""Longer than the attention window, so that playing on with the start out of sight is learnt too."""
RATE = 8e-4
DRAWS = 1
CONTEXT_NOISE = 0.5
FIRST_SECONDS, LATER_SECONDS = 150, 12
"""How long shards are encoded before training begins, and at each checkpoint after."""
DROP_ALL = 0.12
DROP_GROUP = {"emotion": 0.3, "affect": 0.3, "chord": 0.25, "bass": 0.3, "beat": 0.3, "bar": 0.3, "tempo": 0.3,
              "density": 0.25, "loudness": 0.25, "register": 0.3}
"""How often a whole window goes without a group; a dropped group is zero in its values and its mask."""


def drop_conditions(conditions, rng):
    """A copy of `conditions` [batch, n, 52] with groups left out, each window on its own."""
    dropped = conditions.copy()
    for row in dropped:
        everything = rng.random() < DROP_ALL
        for index, (name, (first, last)) in enumerate(CONDITION_GROUPS.items()):
            if everything or rng.random() < DROP_GROUP[name]:
                row[:, first:last] = 0
                row[:, VALUE_COUNT + index] = 0
    return dropped


def previous_latents(latents):
    """The network's input: the latents one step late, zeros first."""
    return F.pad(latents, (0, 0, 1, 0))[:, :-1]


def flow_loss(model, latents, conditions, generator=None, noise=0.0):
    """Squared error per dimension of the head's velocity for standardised latents, at logit-normal times."""
    previous = previous_latents(latents)
    if noise:
        deviation = torch.rand(len(latents), 1, 1, generator=generator) * noise
        disturbed = previous + torch.randn(previous.shape, generator=generator) * deviation
        previous = torch.cat([previous[:, :1], disturbed[:, 1:]], 1)
    with autocast():
        context = model.context(previous, conditions)
    shape = (DRAWS, *latents.shape[:2], 1)
    time = torch.sigmoid(torch.randn(shape, generator=generator))
    start = torch.randn((DRAWS, *latents.shape), generator=generator)
    x = start + (latents - start) * time
    with autocast():
        velocity = model.head(x, time, context.expand(DRAWS, *context.shape))
    return F.mse_loss(velocity.float(), (latents - start))


def evaluate_transformer(model, latents, conditions):
    """Held-out loss with conditions, without, and with those of another window; same draws for each."""
    model.eval()
    kinds = {"given": conditions, "free": torch.zeros_like(conditions), "shuffled": conditions.roll(1, 0)}
    with torch.no_grad():
        return {
            name: flow_loss(model, latents, kind, torch.Generator().manual_seed(1)).item() for name, kind in kinds.items()
        }


def train(shards, vae, out, minutes=None, steps=None, rate=None, seed=0, every=200, compiled=False):
    """Trains on the latents that the checkpoint `vae` gives for `shards`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoder = Vae()
    load_average(encoder, vae)
    fingerprint = digest(vae)
    cache = Path(out).parent / f"latents-{fingerprint[:12]}"
    valid = Songs(shards, "valid", encoder.encoder, cache, LENGTH)
    training = Songs(shards, "train", encoder.encoder, cache, LENGTH)
    valid.refresh(FIRST_SECONDS / 5)
    training.refresh(FIRST_SECONDS)
    print(f"{len(training.songs)} of {len(training.shards)} songs, {training.shards.hours:.1f} h; held out {len(valid.songs)}", flush=True)
    model = Transformer()
    mean, deviation = (torch.from_numpy(x) for x in training.statistics())
    trainer = Trainer(model, out, rate or RATE, minutes, steps, {"vae_sha256": fingerprint}, decay=0.05, betas=(0.9, 0.95))
    # A resumed training keeps the statistics it began with, whatever shards have come since.
    if trainer.step == 0:
        for network in (model, trainer.average):
            network.mean.copy_(mean)
            network.deviation.copy_(deviation)
    mean, deviation = model.mean.clone(), model.deviation.clone()

    if compiled:
        for layer in model.layers:
            layer.compile()

    def windows(songs, generator, batch):
        latents, conditions = songs.draw(generator, batch, LENGTH)
        return (torch.from_numpy(latents) - mean) / deviation, conditions

    held_latents, held_conditions = windows(valid, np.random.default_rng(1), 24)
    held_conditions = torch.from_numpy(held_conditions)

    def loss():
        latents, conditions = windows(training, rng, BATCH)
        dropped = torch.from_numpy(drop_conditions(conditions, rng))
        return flow_loss(model, latents, dropped, noise=CONTEXT_NOISE), {}

    trainer.run(loss, lambda m: evaluate_transformer(m, held_latents, held_conditions), every,
                lambda: training.refresh(LATER_SECONDS))
    return trainer
