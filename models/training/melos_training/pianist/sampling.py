"""Samples latents from the prior."""

import torch
from torch import Tensor

from ..constants import LATENT_FRAMES
from ..layers import Carry
from .network import Prior, shifted

NOISE = 0.4
"""Factor of the prior's standard deviation.

With less noise than the prior predicts, notes are more distinct, because an improbable latent can blur an attack or add
a note.
"""
PASSES = 3
"""Passes of `resample`; after n passes, the first n latents are exactly those of a performance."""


def deviation(log_variance: Tensor) -> Tensor:
    """Returns the standard deviation with which latents are sampled from the prior's prediction."""
    return NOISE * (log_variance / 2).exp()


@torch.no_grad()
def resample(prior: Prior, latents: Tensor, roll: Tensor, piano: Tensor, mood: Tensor) -> Tensor:
    """Samples latents [batch, n, latent] from the prior, as approximately in a performance, given the posterior's.

    In each pass, all latents are sampled at once, after those of the previous pass (Duckworth et al. 2019).
    """
    for _ in range(PASSES):
        mean, log_variance = prior(shifted(latents), roll, piano, mood)
        latents = mean + torch.randn_like(mean) * deviation(log_variance)
    return latents


@torch.no_grad()
def perform(prior: Prior, roll: Tensor, piano: Tensor, mood: Tensor, noise: Tensor) -> Tensor:
    """Samples the latents of one performance, [1, n, latent], one after another, as the daemon does.

    `noise` [1, n, latent] is standard normal.
    """
    state = torch.zeros(1, prior.state_size())
    latents = [torch.zeros(1, 1, prior.latent)]
    for index in range(noise.shape[1]):
        carry = Carry(state)
        hops = roll[:, LATENT_FRAMES * index : LATENT_FRAMES * (index + 1)]
        mean, log_variance = prior(latents[-1], hops, piano, mood[:, index : index + 1], carry)
        latents.append(mean + noise[:, index : index + 1] * deviation(log_variance))
        state = carry.packed()
    return torch.cat(latents[1:], 1)
