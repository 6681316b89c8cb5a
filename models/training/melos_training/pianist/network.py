"""The pianist's networks: a VAE whose decoder is conditioned on the notes, and a prior.

The encoder maps 8 mel frames and their surroundings to a latent. The decoder receives the latents and the notes, so
that attacks are exactly in time and latents represent only what the notes do not determine.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..constants import LATENT_FRAMES, MEL_BANDS, MEL_MEAN, MEL_SCALE
from ..encoder import Encoder
from ..layers import Block, Carry, CausalConv
from .layout import ROLL


class Notes(nn.Module):
    """Maps roll and piano to a causal representation [batch, hops, width].

    The piano is an index [batch], or weights [batch, pianos] of the pianos' embeddings.
    """

    def __init__(self, pianos: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Linear(ROLL, width)
        self.piano = nn.Embedding(pianos, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(blocks)])

    def forward(self, roll: Tensor, piano: Tensor, carry: Carry) -> Tensor:
        embedding = piano @ self.piano.weight if piano.is_floating_point() else self.piano(piano)
        x = self.enter(roll) + embedding[:, None]
        for block in self.blocks:
            x = block(x, carry)
        return x


class Decoder(nn.Module):
    """Maps latents [batch, n, latent] and the roll [batch, 8 n, ROLL] to log-mel [batch, 8 n, 128], causally."""

    def __init__(self, pianos: int, latent: int, wide: int = 192, narrow: int = 256) -> None:
        super().__init__()
        self.narrow = narrow
        self.notes = Notes(pianos, narrow, 2)
        self.enter = CausalConv(latent, wide, 3)
        self.latents = nn.ModuleList([Block(wide) for _ in range(2)])
        self.spread = nn.Linear(wide, LATENT_FRAMES * narrow)
        self.frames = nn.ModuleList([Block(narrow) for _ in range(5)])
        self.norm = nn.LayerNorm(narrow)
        self.leave = CausalConv(narrow, MEL_BANDS, 3)

    def forward(self, latents: Tensor, roll: Tensor, piano: Tensor, carry: Carry | None = None) -> Tensor:
        carry = carry or Carry()
        batch, count, _ = latents.shape
        y = self.enter(latents, carry)
        for block in self.latents:
            y = block(y, carry)
        x = self.notes(roll, piano, carry) + self.spread(y).reshape(batch, LATENT_FRAMES * count, self.narrow)
        for block in self.frames:
            x = block(x, carry)
        return self.leave(self.norm(x), carry).float() * MEL_SCALE + MEL_MEAN

    def state_size(self) -> int:
        """Returns the size of the packed state."""
        carry = Carry()
        latent = self.enter.mix.in_features // self.enter.kernel
        with torch.no_grad():
            self(
                torch.zeros(1, 1, latent), torch.zeros(1, LATENT_FRAMES, ROLL), torch.zeros(1, dtype=torch.long), carry
            )
        return carry.size


class Pianist(nn.Module):
    """The encoder and the decoder."""

    def __init__(self, pianos: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = Encoder(128, 192, latent)
        self.decoder = Decoder(pianos, latent)

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns latents sampled from the posterior, and the posterior's mean and log variance."""
        mean, log_variance = self.encoder(mel)
        return mean + torch.randn_like(mean) * (log_variance / 2).exp(), mean, log_variance


class Prior(nn.Module):
    """Predicts a normal distribution for each latent, given the notes so far, the mood and the previous latents.

    It runs once per latent, before the decoder.
    """

    def __init__(self, pianos: int, latent: int, mood: int, width: int = 160, narrow: int = 96) -> None:
        super().__init__()
        self.latent = latent
        self.notes = Notes(pianos, narrow, 1)
        self.gather = nn.Linear(LATENT_FRAMES * narrow, width)
        self.before = nn.Linear(latent, width)
        self.mood = nn.Linear(mood, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(4)])
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 2 * latent)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, before: Tensor, roll: Tensor, piano: Tensor, mood: Tensor, carry: Carry | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns mean and log variance [batch, n, latent]; `before` holds the previous latents, zeros at the start."""
        carry = carry or Carry()
        batch, count, _ = before.shape
        notes = self.notes(roll, piano, carry).reshape(batch, count, -1)
        x = self.gather(notes) + self.before(before) + self.mood(mood)
        for block in self.blocks:
            x = block(x, carry)
        mean, log_variance = self.leave(self.norm(x)).float().chunk(2, 2)
        return mean, log_variance.clamp(-8, 4)

    def state_size(self) -> int:
        """Returns the size of the packed state."""
        carry = Carry()
        with torch.no_grad():
            self(
                torch.zeros(1, 1, self.latent),
                torch.zeros(1, LATENT_FRAMES, ROLL),
                torch.zeros(1, dtype=torch.long),
                torch.zeros(1, 1, self.mood.in_features),
                carry,
            )
        return carry.size


def shifted(latents: Tensor) -> Tensor:
    """Returns the latent before each latent, [batch, n, latent]."""
    return F.pad(latents, (0, 0, 1, 0))[:, :-1]
