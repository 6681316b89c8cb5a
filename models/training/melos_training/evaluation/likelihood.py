"""How probable held-out latents are to the transformer: exact densities of its flow by the change of variables."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..arrays import Floats
from ..constants import LATENT_DIMS
from ..train_transformer import previous_latents
from ..transformer import Transformer

STEP = 0.1
"""Width, in standard deviations of a latent, of the bins for which perplexity is stated."""
TIMES = 16


def log_density(velocity: Callable[[Tensor, float], Tensor], x: Tensor, steps: int = TIMES) -> Tensor:
    """Log-density of `x` [n, d] where `velocity(x, time)` carries a standard normal at 0 to the data at 1.

    Midpoint steps from the data back to the noise; d log p / dt = −div v (Chen et al. 2018), the divergence exact, one
    derivative a dimension.
    """
    basis = torch.eye(x.shape[1])
    total = torch.zeros(len(x))
    for step in reversed(range(steps)):
        end, middle = (step + 1) / steps, (step + 0.5) / steps
        with torch.no_grad():
            half = x - velocity(x, end) / (2 * steps)
        half = half.requires_grad_()
        v = velocity(half, middle)
        divergence = sum(torch.autograd.grad((v * row).sum(), half, retain_graph=True)[0] @ row for row in basis)
        total -= divergence.detach() / steps
        x = x - v.detach() / steps
    return total - 0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


def bits_per_dimension(transformer: Transformer, latents: Tensor, conditions: Tensor, every: int = 16) -> Floats:
    """Negative log-likelihood in bits a dimension [windows] of standardised `latents` [windows, n, 32].

    Of every `every`th of the second half of each window.
    """
    with torch.no_grad():
        context = transformer.context(previous_latents(latents), conditions)
    picked = slice(latents.shape[1] // 2, None, every)
    x, context = latents[:, picked].reshape(-1, LATENT_DIMS), context[:, picked].reshape(-1, context.shape[2])

    def velocity(x: Tensor, time: float) -> Tensor:
        return transformer.head(x, torch.full((len(x), 1), time), context)

    log_p = log_density(velocity, x)
    return (-log_p / (LATENT_DIMS * math.log(2))).view(len(latents), -1).mean(1).numpy()


def perplexity(bits: ArrayLike) -> Floats:
    """Effective number of bins of width `STEP` a dimension that the network is undecided between."""
    exponent: Floats = np.asarray(bits) - math.log2(STEP)
    return 2**exponent
