"""The pianist's network: a VAE whose decoder sees the notes.

The encoder hears 8 mel frames, and what is on both sides of them, and tells a latent. The decoder sees the latents and
the notes: so attacks stand where the notes are, and the latent need only carry what the notes do not say.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..constants import LATENT_FRAMES, MEL_BANDS, MEL_MEAN, MEL_SCALE
from ..encoder import Encoder
from ..layers import Block, Carry, CausalConv
from .layout import ROLL


class Notes(nn.Module):
    """The roll and the piano as seen hop by hop, causally: [batch, hops, width].

    The piano is its number [batch], or the weights of several [batch, pianos], whose mean is heard.
    """

    def __init__(self, pianos: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Linear(ROLL, width)
        self.piano = nn.Embedding(pianos, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(blocks)])

    def forward(self, roll: Tensor, piano: Tensor, carry: Carry) -> Tensor:
        voice = piano @ self.piano.weight if piano.is_floating_point() else self.piano(piano)
        x = self.enter(roll) + voice[:, None]
        for block in self.blocks:
            x = block(x, carry)
        return x


class Decoder(nn.Module):
    """Latents [batch, n, latent] and the roll [batch, 8 n, ROLL] to log-mel [batch, 8 n, 128], all of it causal."""

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
        """Numbers in the packed state between two latents."""
        carry = Carry()
        latent = self.enter.mix.in_features // self.enter.kernel
        with torch.no_grad():
            self(
                torch.zeros(1, 1, latent), torch.zeros(1, LATENT_FRAMES, ROLL), torch.zeros(1, dtype=torch.long), carry
            )
        return carry.size


class Pianist(nn.Module):
    """Both halves."""

    def __init__(self, pianos: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = Encoder(128, 192, latent)
        self.decoder = Decoder(pianos, latent)

    def forward(self, mel: Tensor, roll: Tensor, piano: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-mel through sampled latents, and the posterior's mean and log variance."""
        mean, log_variance = self.encoder(mel)
        latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(latents, roll, piano), mean, log_variance


class Prior(nn.Module):
    """What the latents may be, given the notes up to now, the mood and the latents before: a normal distribution each.

    It runs once a latent, before the decoder.
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
        """Mean and log variance of latents [batch, n, latent]; `before` is the latent before each, zeros at first."""
        carry = carry or Carry()
        batch, count, _ = before.shape
        seen = self.notes(roll, piano, carry).reshape(batch, count, -1)
        x = self.gather(seen) + self.before(before) + self.mood(mood)
        for block in self.blocks:
            x = block(x, carry)
        mean, log_variance = self.leave(self.norm(x)).float().chunk(2, 2)
        return mean, log_variance.clamp(-8, 4)

    def state_size(self) -> int:
        """Numbers in the packed state between two latents."""
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
    """The latent before each, [batch, n, latent]."""
    return F.pad(latents, (0, 0, 1, 0))[:, :-1]
