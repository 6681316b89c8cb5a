"""`python -m melos_training vae`."""

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_average
from .constants import LATENT_DIMS, NEPER_DB
from .data import Shards, splits
from .losses import mel_loss
from .precision import autocast
from .runs import VaeRun
from .team import Team
from .training import Numbers, Task, Trainer, start
from .vae import Vae, divergence

BATCH = 8
FRAMES = 256
"""Windows at once, and mel frames of each, when measured."""
ACTIVE = 0.7
"""Least deviation of the posterior mean of a dimension that carries something."""
WAKE_BATCH = 64
WOKEN_LOG_VARIANCE = -3.0


def evaluate_vae(vae: Vae, shards: Shards, rng: np.random.Generator, batches: int) -> Numbers:
    """Held-out reconstruction in dB, nats per dimension and active dimensions (`ACTIVE`)."""
    device = next(vae.parameters()).device
    error, nats, means = [], [], []
    for _ in range(batches):
        mel = torch.from_numpy(shards.mels(rng, BATCH, FRAMES)).to(device)
        mean, log_variance = vae.encoder(mel)
        error.append((vae.decoder(mean) - mel).abs().mean().item() * NEPER_DB)
        nats.append(divergence(mean, log_variance))
        means.append(mean.flatten(0, 1))
    return {
        "mae_db": float(np.mean(error)),
        "nats": torch.stack(nats).mean().item(),
        "active": float((torch.cat(means).std(0) > ACTIVE).sum()),
    }


def scale(vae: Vae, dims: Tensor, factor: Tensor) -> None:
    """Multiplies dimensions of the latent by factors; the decoder undoes it, so that nothing else changes."""
    leave, enter = vae.encoder.leave, vae.decoder.enter.mix.weight
    leave.weight[dims] *= factor[:, None]
    leave.bias[dims] *= factor
    leave.bias[LATENT_DIMS + dims] += 2 * factor.log()
    enter.view(len(enter), -1, LATENT_DIMS)[..., dims] /= factor


@torch.no_grad()
def wake(vae: Vae, mel: Tensor) -> int:
    """Readies a trained `vae` for going on, given some log-mel.

    Puts every dimension to the scale of the prior, and starts those anew that carry nothing. Returns how many these
    were.

    Left to itself an idle dimension stays so: its mean says nothing, hence the decoder does not listen, hence nothing
    teaches the mean. A woken one is a clean random view of what the encoder sees.
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


class VaeTask(Task[Vae]):
    """Reconstruction of mel windows through sampled latents."""

    def __init__(self, vae: Vae, run: VaeRun, training: Shards, valid: Shards) -> None:
        super().__init__(vae)
        self.run, self.training_shards, self.valid_shards = run, training, valid

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        return (torch.from_numpy(self.training_shards.mels(rng, self.run.batch, self.run.frames)),)

    def loss(self, share: float, *batch: Tensor) -> tuple[Tensor, Numbers]:
        (mel,) = batch
        with autocast(mel.device):
            predicted, mean, log_variance = self.network(mel)
        nats = divergence(mean, log_variance)
        reconstruction = mel_loss(predicted, mel)
        mae = (predicted.detach() - mel).abs().mean().item() * NEPER_DB
        ramp = min(1, share / self.run.kl_ramp)
        cost = ramp * self.run.kl_weight * nats.mean()
        return reconstruction + cost, {"mae_db": mae, "nats": nats.mean().item()}

    def evaluate(self, network: Vae) -> Numbers:
        return evaluate_vae(network, self.valid_shards, np.random.default_rng(1), 4)

    def refresh(self) -> None:
        self.training_shards.refresh()
        self.valid_shards.refresh()

    def data_order(self) -> list[str]:
        return self.training_shards.order()


def train(run: VaeRun, team: Team | None = None) -> Trainer[Vae]:
    """Trains on `shards`/train, watching `shards`/valid.

    `decoder_of` is the checkpoint of a trained VAE whose encoder, and so whose latents, shall stay: only the decoder
    goes on.
    """
    team = team or Team()
    begun = start(run, team)
    training, valid = splits(
        run.shards, begun.order, team.leads, frames=run.frames, valid_frames=max(FRAMES, run.frames)
    )
    vae = Vae()
    if run.decoder_of:
        load_average(vae, run.decoder_of)
        vae.decoder.requires_grad_(True)
    trainer = Trainer(VaeTask(vae, run, training, valid), run, begun, team)
    if trainer.adopted:
        mel = torch.from_numpy(training.mels(begun.rng, WAKE_BATCH, run.frames))
        idle = wake(vae.cpu(), mel)
        vae.to(team.device)
        if team.leads:
            print(f"{idle} idle dimensions started anew", flush=True)
    if run.compiled:
        vae.compile()
    trainer.train()
    return trainer
