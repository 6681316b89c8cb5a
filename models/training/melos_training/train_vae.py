"""`python -m melos_training vae`."""

import numpy as np
import torch

from .constants import LATENT_DIMS, NEPER_DB
from .data import Shards
from .losses import mel_loss
from .precision import autocast
from .training import Trainer, load_average
from .vae import Vae, divergence

BATCH = 8
FRAMES = 256
RATE = 1.2e-3
KL_WEIGHT = 0.004
"""Of the mean over dimensions, in nepers a nat."""
ACTIVE = 0.7
"""Least deviation of the posterior mean of a dimension that carries something."""
WAKE_BATCH = 64
WOKEN_LOG_VARIANCE = -3.0
KL_RAMP = 0.2
"""The share of the training over which the KL's weight rises from nothing: given up early, a dimension stays unused."""


def evaluate_vae(vae, shards, rng, batches):
    """Held-out reconstruction in dB, nats per dimension and active dimensions (`ACTIVE`)."""
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
        "active": float((torch.cat(means).std(0) > ACTIVE).sum()),
    }


def scale(vae, dims, factor):
    """Multiplies dimensions of the latent by factors; the decoder undoes it, so that nothing else changes."""
    leave, enter = vae.encoder.leave, vae.decoder.enter.mix.weight
    leave.weight[dims] *= factor[:, None]
    leave.bias[dims] *= factor
    leave.bias[LATENT_DIMS + dims] += 2 * factor.log()
    enter.view(len(enter), -1, LATENT_DIMS)[..., dims] /= factor


@torch.no_grad()
def wake(vae, mel):
    """Readies a trained `vae` for going on, given some log-mel: puts every dimension to the scale of the prior, and starts
    those anew that carry nothing. Returns how many these were.

    Left to itself an idle dimension stays so: its mean says nothing, hence the decoder does not listen, hence nothing teaches
    the mean. A woken one is a clean random view of what the encoder sees.
    """
    every = torch.arange(LATENT_DIMS)
    mean, log_variance = (x.flatten(0, 1) for x in vae.encoder(mel))
    scale(vae, every, (mean.var(0) + log_variance.exp().mean(0)).rsqrt())
    idle = every[vae.encoder(mel)[0].flatten(0, 1).std(0) < ACTIVE]
    if not len(idle):
        return 0
    leave, enter = vae.encoder.leave, vae.decoder.enter.mix.weight
    leave.weight[idle] = torch.randn(len(idle), leave.in_features)
    leave.weight[LATENT_DIMS + idle] = 0
    leave.bias[LATENT_DIMS + idle] = WOKEN_LOG_VARIANCE
    mean = vae.encoder(mel)[0].flatten(0, 1)[:, idle]
    leave.weight[idle] /= mean.std(0)[:, None]
    leave.bias[idle] = (leave.bias[idle] - mean.mean(0)) / mean.std(0)
    taps = enter.view(len(enter), -1, LATENT_DIMS)
    taps[..., idle] = torch.randn_like(taps[..., idle]) * enter.std()
    return len(idle)


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
    if trainer.adopted:
        print(f"{wake(vae, torch.from_numpy(training.mels(rng, WAKE_BATCH, FRAMES)))} idle dimensions started anew", flush=True)
    forward = torch.compile(vae) if compiled else vae

    def loss():
        mel = torch.from_numpy(training.mels(rng, BATCH, FRAMES))
        with autocast():
            predicted, mean, log_variance = forward(mel)
        nats = divergence(mean, log_variance)
        reconstruction = mel_loss(predicted, mel)
        mae = (predicted.detach() - mel).abs().mean().item() * NEPER_DB
        ramp = min(1, trainer.share / KL_RAMP)
        cost = ramp * KL_WEIGHT * nats.mean()
        return reconstruction + cost, {"mae_db": mae, "nats": nats.mean().item()}

    def refresh():
        training.refresh()
        valid.refresh()

    trainer.run(loss, lambda model: evaluate_vae(model, valid, np.random.default_rng(1), 4), every, refresh)
    return trainer
