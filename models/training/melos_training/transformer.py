"""The transformer over standardised latents, with a head that samples the next latent by flow matching."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .constants import CONDITION_COUNT, LATENT_DIMS

WIDTH = 256
LAYERS = 6
HEADS = 4
HEAD_DIM = WIDTH // HEADS
WINDOW = 192
"""Latents a position sees, itself included."""
ROPE_BASE = 10_000.0
FLOW_STEPS = 8


def rotary(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [positions, 64] of absolute positions; the halves of a head are the pairs."""
    frequencies = ROPE_BASE ** (-torch.arange(HEAD_DIM // 2, dtype=torch.float64) * 2 / HEAD_DIM)
    angles = positions.double()[:, None] * torch.cat([frequencies, frequencies])
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of x [..., positions, 64]."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def band_mask(length: int) -> Tensor:
    """Additive attention mask [length, length]: the past within the window."""
    distance = torch.arange(length)[:, None] - torch.arange(length)[None]
    return torch.zeros(length, length).masked_fill((distance < 0) | (distance >= WINDOW), float("-inf"))


class Layer(nn.Module):
    """Attention, then a feed-forward part, each with a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.norm_feed = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def heads(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated query, rotated key, and value, each [batch, 4, positions, 64]."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, length, 3, HEADS, HEAD_DIM).permute(2, 0, 3, 1, 4)
        return rotate(qkv[0], cos, sin), rotate(qkv[1], cos, sin), qkv[2]

    def close(self, x: Tensor, attended: Tensor) -> Tensor:
        """Residuals after attention, given its result [batch, 4, positions, 64]."""
        batch, _, length, _ = attended.shape
        x = x + self.mix(attended.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.down(F.relu(self.up(self.norm_feed(x))).square())

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        query, key, value = self.heads(x, cos, sin)
        # Written out, for PyTorch's fused kernel with a mask is slower on CPU; softmax sums in float by itself.
        with torch.autocast(x.device.type, enabled=False):
            query, key = query.to(value.dtype), key.to(value.dtype)
            scores = query @ key.transpose(2, 3) * HEAD_DIM**-0.5 + mask.to(value.dtype)
            attended = torch.softmax(scores, 3) @ value
        return self.close(x, attended)


class FlowHead(nn.Module):
    """Velocity of the flow from noise (t = 0) to the next latent (t = 1), given the transformer's output."""

    frequencies: Tensor

    def __init__(self, width: int = 384, blocks: int = 3, frequencies: int = 32) -> None:
        super().__init__()
        self.enter = nn.Linear(LATENT_DIMS, width)
        self.context = nn.Linear(WIDTH, width)
        self.time = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width))
        self.modulations = nn.ModuleList([nn.Linear(width, 3 * width) for _ in range(blocks)])
        self.ups = nn.ModuleList([nn.Linear(width, width) for _ in range(blocks)])
        self.downs = nn.ModuleList([nn.Linear(width, width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.leave = nn.Linear(width, LATENT_DIMS)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(1000), frequencies)), persistent=False)

    def modulate(self, time: Tensor, context: Tensor) -> Tensor:
        """What `time` [..., 1] and `context` [..., 256] do to the blocks, [..., 3456]: gate, shift, scale of each."""
        angles = time * self.frequencies
        modulation = F.silu(self.context(context) + self.time(torch.cat([angles.sin(), angles.cos()], -1)))
        return torch.cat([modulate(modulation) for modulate in self.modulations], -1)

    def velocity(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Velocity at `x` [..., 32]."""
        h = self.enter(x)
        parts = modulation.chunk(3 * len(self.ups), -1)
        for gate, shift, scale, up, down in zip(parts[::3], parts[1::3], parts[2::3], self.ups, self.downs):
            h = h + gate * down(F.silu(up(self.norm(h) * (1 + scale) + shift)))
        return self.leave(self.norm(h))

    def forward(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """`x` [..., 32], `time` [..., 1], `context` [..., 256]."""
        return self.velocity(x, self.modulate(time, context))


class Transformer(nn.Module):
    """Sees the previous latent and the conditions of the latent being predicted.

    `mean` and `deviation` [32] of the training latents standardise; they are part of the weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(LATENT_DIMS))
        self.register_buffer("deviation", torch.ones(LATENT_DIMS))
        self.enter = nn.Linear(LATENT_DIMS, WIDTH)
        self.conditions = nn.Linear(CONDITION_COUNT, WIDTH)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = FlowHead()

    def context(self, previous: Tensor, conditions: Tensor) -> Tensor:
        """Whole sequences: standardised previous latents [batch, n, 32] (zeros first), conditions [batch, n, 52]."""
        length = previous.shape[1]
        cos, sin = (part.to(previous.device) for part in rotary(torch.arange(length)))
        mask = band_mask(length).to(previous.device)
        x = self.enter(previous) + self.conditions(conditions)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)

    def sample(self, context: Tensor, noise: Tensor, guidance: Tensor) -> Tensor:
        """The next standardised latent [1, 32] by Euler steps from `noise` [1, 32].

        `context` [2, 256] is of the wanted and of the reference conditions; `guidance` [1] pushes away from the latter.
        """
        x = noise
        # Only the velocity depends on x: the rest is worked out for all steps at once, which reads its weights once.
        times = torch.arange(FLOW_STEPS, device=noise.device)[:, None, None] / FLOW_STEPS
        modulations = self.head.modulate(times, context)
        for modulation in modulations.unbind(0):
            velocity = self.head.velocity(torch.cat([x, x]), modulation)
            x = x + (velocity[1:] + guidance * (velocity[:1] - velocity[1:])) / FLOW_STEPS
        return x
