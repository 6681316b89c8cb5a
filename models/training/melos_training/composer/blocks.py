"""The building blocks of the composer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layout import DURATIONS, KEYS, OFFSETS, VELOCITIES, VOICES

WIDTH = 256
LAYERS = 6
HEADS = 4
HEAD_WIDTH = WIDTH // HEADS
WINDOW = 128
"""Number of latents that a latent attends to in each layer, including itself: 10.9 s."""
ROPE_BASE = 10_000.0
EMBEDDING_SCALE = 0.3


def rotary(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines [positions, 64]; element i of a head is rotated together with element i + 32."""
    rates = ROPE_BASE ** (-torch.arange(HEAD_WIDTH // 2, dtype=torch.float64, device=positions.device) * 2 / HEAD_WIDTH)
    angles = positions.double()[:, None] * torch.cat([rates, rates])
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Applies the rotary position embedding to x [..., positions, 64]."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def window_mask(length: int, device: torch.device) -> Tensor:
    """Returns the additive mask [length, length] that hides the future and everything before the window."""
    position = torch.arange(length, device=device)
    distance = position[:, None] - position
    return torch.zeros(length, length, device=device).masked_fill((distance < 0) | (distance >= WINDOW), float("-inf"))


def embedding(count: int, width: int) -> nn.Embedding:
    """Creates an embedding with small initial values."""
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=EMBEDDING_SCALE)
    return table


class Block(nn.Module):
    """A residual feed-forward block [..., width], initially the identity."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.relu(self.up(self.norm(x))).square())


class Head(nn.Module):
    """Maps states [..., 256] to logits [..., classes], initially equal."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.leave = nn.Linear(WIDTH, classes)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.norm(x))


class Layer(nn.Module):
    """Attention within the window, and a feed-forward block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)
        self.feed = Block(WIDTH, 4 * WIDTH)
        nn.init.zeros_(self.mix.weight)

    def heads(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps x [batch, positions, 256] to rotated query, rotated key, and value, each [batch, 4, positions, 64]."""
        batch, length, _ = x.shape
        query, key, value = self.qkv(self.norm(x)).view(batch, length, 3, HEADS, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        return rotate(query, cos, sin), rotate(key, cos, sin), value

    def add_residuals(self, x: Tensor, attended: Tensor) -> Tensor:
        """Adds the result of attention [batch, 4, positions, 64] to x, and applies the feed-forward block."""
        batch, _, length, _ = attended.shape
        return self.feed(x + self.mix(attended.transpose(1, 2).reshape(batch, length, WIDTH)))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        query, key, value = self.heads(x, cos, sin)
        # PyTorch's fused attention is slower on a CPU if there is a mask.
        with torch.autocast(x.device.type, enabled=False):
            query, key = query.to(value.dtype), key.to(value.dtype)
            scores = query @ key.transpose(2, 3) * HEAD_WIDTH**-0.5 + mask.to(value.dtype)
            attended = torch.softmax(scores, 3) @ value
        return self.add_residuals(x, attended)


class NoteSum(nn.Module):
    """The sum of the embeddings of a note's parts [..., 5]: offset, voice, key, velocity, duration."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            embedding(count, WIDTH) for count in (OFFSETS, VOICES, KEYS, VELOCITIES + 1, DURATIONS)
        )

    def forward(self, notes: Tensor) -> Tensor:
        total = self.parts[0](notes[..., 0])
        for index, part in enumerate(self.parts[1:], 1):
            total = total + part(notes[..., index])
        return total
