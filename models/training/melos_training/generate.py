"""Playing the networks in PyTorch: latents for given conditions, and their sound."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import Floats
from .constants import CONDITION_COUNT, CONDITION_GROUPS, LATENT_DIMS, LOOK_AHEAD, VALUE_COUNT
from .graphs import TransformerGraph
from .mel import inverse_spectrum
from .transformer import Transformer
from .vae import Decoder
from .vectors import Player
from .vocoder import Vocoder


def condition_row(**groups: ArrayLike) -> Floats:
    """A condition vector [52] of the named groups' values, scaled as the networks expect them; others unknown."""
    row = np.zeros(CONDITION_COUNT, np.float32)
    for index, (name, (first, last)) in enumerate(CONDITION_GROUPS.items()):
        if name in groups:
            row[first:last] = groups[name]
            row[VALUE_COUNT + index] = 1
    return row


def generate(
    transformer: Transformer, conditions: Floats, guidance: float = 2.0, temperature: float = 1.0, seed: int = 0
) -> Tensor:
    """Latents [n, 32] for conditions [n, 52], guided away from no conditions at all."""
    generator = torch.Generator().manual_seed(seed)
    player = Player(TransformerGraph(transformer))
    latents = []
    with torch.no_grad():
        for row in torch.from_numpy(np.asarray(conditions, np.float32)):
            noise = torch.randn(1, LATENT_DIMS, generator=generator) * temperature**0.5
            latents.append(player.step(torch.stack([row, torch.zeros_like(row)]), noise, guidance)[0].clone())
    return torch.stack(latents)


def sound(decoder: Decoder, vocoder: Vocoder, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Log-mel [8 n, 128] and audio of latents [n, 32]."""
    with torch.no_grad():
        mel = decoder(latents[None])
        real, imag = vocoder(mel)
        spectra = torch.complex(real, imag)[:, LOOK_AHEAD:]
        return mel[0], inverse_spectrum(spectra)[0]
