"""The VAE: 8 mel frames to one latent of 32 dimensions and back."""

import torch
from torch import Tensor, nn

from .constants import LATENT_DIMS, MEL_BANDS, MEL_MEAN, MEL_SCALE
from .layers import Block, Carry, CausalConv


class Encoder(nn.Module):
    """Log-mel [batch, frames, 128] to the posterior's mean and log variance [batch, frames / 8, latent]. Not causal."""

    def __init__(self, narrow: int = 192, wide: int = 256, latent: int = LATENT_DIMS) -> None:
        super().__init__()
        self.enter = nn.Linear(MEL_BANDS, narrow)
        self.frames = nn.ModuleList([Block(narrow), Block(narrow)])
        self.halve = nn.Linear(4 * narrow, wide)
        self.quarters = nn.ModuleList([Block(wide), Block(wide)])
        self.latent = nn.Linear(2 * wide, wide)
        self.latents = nn.ModuleList([Block(wide), Block(wide)])
        self.norm = nn.LayerNorm(wide)
        self.leave = nn.Linear(wide, 2 * latent)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, _ = mel.shape
        x = self.enter((mel - MEL_MEAN) / MEL_SCALE)
        for block in self.frames:
            x = block(x)
        x = self.halve(x.reshape(batch, frames // 4, -1))
        for block in self.quarters:
            x = block(x)
        x = self.latent(x.reshape(batch, frames // 8, -1))
        for block in self.latents:
            x = block(x)
        mean, log_variance = self.leave(self.norm(x)).float().chunk(2, 2)
        return mean, log_variance.clamp(-8, 4)


class Decoder(nn.Module):
    """Latents [batch, n, 32] to log-mel [batch, 8 n, 128]: frames 8k to 8k + 7 need latents up to k only."""

    def __init__(self, narrow: int = 192, wide: int = 256) -> None:
        super().__init__()
        self.wide, self.narrow = wide, narrow
        self.enter = CausalConv(LATENT_DIMS, wide, 3)
        self.latents = nn.ModuleList([Block(wide) for _ in range(3)])
        self.twofold = nn.Linear(wide, 2 * wide)
        self.halves = nn.ModuleList([Block(wide) for _ in range(2)])
        self.fourfold = nn.Linear(wide, 4 * narrow)
        self.frames = nn.ModuleList([Block(narrow) for _ in range(3)])
        self.norm = nn.LayerNorm(narrow)
        self.leave = CausalConv(narrow, MEL_BANDS, 3)

    def forward(self, latents: Tensor, carry: Carry | None = None) -> Tensor:
        carry = carry or Carry()
        batch, count, _ = latents.shape
        x = self.enter(latents, carry)
        for block in self.latents:
            x = block(x, carry)
        x = self.twofold(x).reshape(batch, 2 * count, self.wide)
        for block in self.halves:
            x = block(x, carry)
        x = self.fourfold(x).reshape(batch, 8 * count, self.narrow)
        for block in self.frames:
            x = block(x, carry)
        return self.leave(self.norm(x), carry).float() * MEL_SCALE + MEL_MEAN


class Vae(nn.Module):
    """Both halves."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction through a sampled latent, and the posterior's mean and log variance."""
        mean, log_variance = self.encoder(mel)
        latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(latents), mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL to the standard normal in nats, per dimension [latent]."""
    nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return nats.flatten(0, -2).mean(0)
