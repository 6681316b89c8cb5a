"""What the VAE keeps of held-out music."""

import numpy as np
import torch

from ..arrays import Floats
from ..constants import NEPER_DB
from ..vae import Encoder
from .streaming import Networks

ACTIVE = 0.7
"""A dimension is active when its posterior mean deviates by more than this."""


def nats(mean: Floats, log_variance: Floats) -> Floats:
    """KL divergence [dimensions] of the posteriors from a standard normal, mean over rows."""
    return 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).mean(0)


def reconstruct(encoder: Encoder, networks: Networks, mel: Floats) -> tuple[float, Floats, Floats]:
    """Error in dB of a log-mel [frames, 128] coded and decoded as shipped, and its posteriors."""
    with torch.no_grad():
        mean, log_variance = (part[0].numpy() for part in encoder(torch.from_numpy(mel)[None]))
    error = float(np.abs(networks.mel(mean) - mel).mean() * NEPER_DB)
    return error, mean, log_variance
