"""The pianist's losses."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import AHEAD, CHANNELS, KEYS

BEFORE, AFTER = 2, 3
"""Hops before and after an onset whose mel frames belong to the attack."""


def attacks(roll: Tensor) -> Tensor:
    """Returns 1 for the mel frames that belong to an attack, and 0 for the others.

    The result is [batch, hops], for a roll [batch, hops, ROLL].
    """
    first = CHANNELS.index("attack") * KEYS
    struck = (roll[..., first : first + KEYS] > 0).any(2).float()
    # Row j of the roll is hop j + AHEAD of the mel; onsets in the first AHEAD hops of the mel are unknown.
    struck = F.pad(struck, (AHEAD, 0))[:, : roll.shape[1]]
    padded = F.pad(struck[:, None], (AFTER, BEFORE))
    return F.max_pool1d(padded, AFTER + BEFORE + 1, 1)[:, 0]


def attack_loss(predicted: Tensor, mel: Tensor, attack: Tensor) -> Tensor:
    """Returns the mean absolute error of the log-mel frames that belong to an attack; 0 if there are none."""
    error = (predicted - mel).abs().mean(2)
    return (error * attack).sum() / attack.sum().clamp(min=1)


def kl_beyond_free_nats(nats: Tensor, free: float) -> Tensor:
    """Returns the mean KL divergence beyond `free` nats per dimension; free nats prevent posterior collapse."""
    return torch.clamp(nats - free, min=0).mean()


def normal_nats(latents: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Returns the negative log-likelihood of latents [batch, n, latent] under normal distributions, per latent."""
    square = (latents - mean).square() * (-log_variance).exp()
    return 0.5 * (square + log_variance + math.log(2 * math.pi)).sum(2).mean()
