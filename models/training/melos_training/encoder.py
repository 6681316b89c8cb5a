"""The encoder, which maps 8 mel frames and their surroundings to one latent."""

from torch import Tensor, nn

from .constants import MEL_BANDS, MEL_MEAN, MEL_SCALE
from .layers import Block


class Encoder(nn.Module):
    """Maps log-mel [batch, frames, 128] to the posterior's mean and log variance, both [batch, frames / 8, latent]."""

    def __init__(self, narrow: int, wide: int, latent: int) -> None:
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


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Returns the mean KL divergence of posteriors from the standard normal, in nats, for each dimension [latent]."""
    nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return nats.flatten(0, -2).mean(0)
