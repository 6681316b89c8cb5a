"""`python -m melos_training vae`."""

import numpy as np
import torch

from .constants import NEPER_DB
from .data import Shards
from .losses import mel_loss
from .precision import autocast
from .training import Trainer, load_average
from .vae import Vae, divergence

BATCH = 8
FRAMES = 256
RATE = 1.2e-3
KL_WEIGHT = 0.01
FREE_NATS = 0.7
"""Nats a dimension may carry at no cost."""
KL_RAMP = 0.2
"""The share of the training over which the KL's weight rises from nothing: given up early, a dimension stays unused."""


def evaluate_vae(vae, shards, rng, batches):
    """Held-out reconstruction in dB, nats per dimension and active dimensions (deviation of the mean above 0.7)."""
    error, nats, means = [], [], []
    for _ in range(batches):
        mel = torch.from_numpy(shards.mels(rng, BATCH, FRAMES))
        mean, log_variance = vae.encoder(mel)
        error.append((vae.decoder(mean) - mel).abs().mean().item() * NEPER_DB)
        nats.append(divergence(mean, log_variance))
        means.append(mean.flatten(0, 1))
    return {
        "mae_db": float(np.mean(error)),
        "nats": torch.stack(nats).mean().item(),
        "active": float((torch.cat(means).std(0) > 0.7).sum()),
    }


def train(shards, out, minutes=None, steps=None, rate=None, seed=0, every=200, compiled=False, decoder_of=None):
    """Trains on `shards`/train, watching `shards`/valid.

    `decoder_of` is the checkpoint of a trained VAE whose encoder, and so whose latents, shall stay: only the decoder goes on.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    training = Shards(shards, "train", min_frames=FRAMES)
    valid = Shards(shards, "valid", min_frames=FRAMES)
    print(f"{len(training)} shards, {training.hours:.1f} h; held out {len(valid)}, {valid.hours:.1f} h", flush=True)
    vae = Vae()
    if decoder_of:
        load_average(vae, decoder_of)
        vae.decoder.requires_grad_(True)
    trainer = Trainer(vae, out, rate or RATE, minutes, steps)
    forward = torch.compile(vae) if compiled else vae

    def loss():
        mel = torch.from_numpy(training.mels(rng, BATCH, FRAMES))
        with autocast():
            predicted, mean, log_variance = forward(mel)
        nats = divergence(mean, log_variance)
        reconstruction = mel_loss(predicted, mel)
        mae = (predicted.detach() - mel).abs().mean().item() * NEPER_DB
        ramp = min(1, trainer.share / KL_RAMP)
        cost = ramp * KL_WEIGHT * nats.clamp(min=FREE_NATS).mean()
        return reconstruction + cost, {"mae_db": mae, "nats": nats.mean().item()}

    def refresh():
        training.refresh()
        valid.refresh()

    trainer.run(loss, lambda model: evaluate_vae(model, valid, np.random.default_rng(1), 4), every, refresh)
    return trainer
